"""A file of a run or of the cache that a power cut left empty, full of zeros or cut is made anew, or named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import commands
import numpy as np
import pytest
import torch
from damage import every_damage, spoil
from safetensors.torch import load_file

from semshare import runs, training
from semshare.data import catalogue, words
from semshare.errors import UserError
from semshare.evaluation import Stored
from semshare.runs import inventory, store
from semshare.runs.store import Run
from semshare.utils.home import cache_folder

EXPERIMENT = runs.plan(
    "scenes-flickr25k", "dscmr", "smoke", "cpu", epochs=2, keep="every-epoch", precision="float32", seed=41
)


def _get() -> Run:
    return runs.get(EXPERIMENT, "cpu", quiet=True)


@pytest.fixture(scope="module")
def made(semshare_home: Path) -> Run:
    """A finished run of which everything that can be read was read."""
    run = _get()
    _ = run.test, run.epochs, run.retrieval(["map"]), run.reading("test")
    return run


@pytest.fixture
def run(made: Run, tmp_path: Path) -> Iterator[Run]:
    """That run, whose folder is put back afterwards."""
    shutil.copytree(made.folder, tmp_path / "whole")
    yield _get()
    shutil.rmtree(made.folder)
    shutil.copytree(tmp_path / "whole", made.folder)


def _equal(first: Stored, second: Stored) -> bool:
    pairs = ((value, getattr(second, name)) for name, value in vars(first).items())
    return all(torch.equal(one.nan_to_num(-1), other.nan_to_num(-1)) for one, other in pairs)


@every_damage
@pytest.mark.parametrize("file", [store.RECORD, training.BEST, "epoch-001.safetensors"])
def test_a_damaged_record_or_weights_are_named_and_made_again(
    file: str, damage: str, run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = load_file(run.folder / training.BEST)
    record = dict(run.record)
    spoil(run.folder / file, damage)
    assert not store.exists(EXPERIMENT)
    with pytest.raises(UserError, match=rf"{file}: damaged.* semshare runs rm and train it again"):
        _ = runs.find(run.folder.name).network(run.folder / file if file != store.RECORD else None)
    again = runs.get(EXPERIMENT, "cpu")
    assert f"{file}: damaged" in capfd.readouterr().err
    assert again.record["thresholds"] == record["thresholds"] and store.exists(EXPERIMENT)
    assert all(torch.equal(tensor, whole[name]) for name, tensor in load_file(run.folder / training.BEST).items())


@every_damage
def test_a_damaged_record_is_one_line_of_the_command_line_and_can_be_deleted(
    damage: str, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(run.folder / store.RECORD, damage)
    assert commands.run(monkeypatch, "runs", "show", run.key) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and "run.json: damaged" in error and error.count("\n") == 1
    assert [entry.state for entry in inventory.named([run.key])] == ["unknown"]
    assert commands.run(monkeypatch, "runs", "rm", run.key, "--yes") == 0
    assert not run.folder.exists()
    run.folder.mkdir()  # what the fixture takes away


@every_damage
@pytest.mark.parametrize("pattern", ["reading-*.safetensors", "test-*.evaluation", "epoch-*.evaluation", "*.retrieval"])
def test_what_was_read_of_a_run_is_read_again(pattern: str, damage: str, run: Run) -> None:
    before = run.reading("test"), run.test, *run.epochs, run.retrieval(["map"])["map"]
    paths = sorted(run.folder.glob(pattern))
    for path in paths:
        spoil(path, damage)
    assert inventory.named([run.key])[0].scored_on == ("dev" if pattern.startswith("test") else "test")
    again = _get()
    after = again.reading("test"), again.test, *again.epochs, again.retrieval(["map"])["map"]
    assert all(_equal(first, second) for first, second in zip(before, after, strict=True))
    assert paths and all(load_file(path) for path in paths), "and kept"


@every_damage
@pytest.mark.parametrize("file", ["training.pt", training.BEST, "epoch-001.safetensors"])
def test_a_training_whose_state_is_not_whole_begins_again(file: str, damage: str, run: Run) -> None:
    whole = {path.name: path.read_bytes() for path in run.folder.glob("*.safetensors") if "reading" not in path.name}

    class StoppedError(Exception):
        pass

    def stop(*_: object) -> None:
        raise StoppedError

    shutil.rmtree(run.folder)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(StoppedError):
        patch.setattr(training, "forget_state", stop)  # killed before the last line
        _get()
    (run.folder / store.RECORD).unlink()
    spoil(run.folder / file, damage)
    again = _get()
    assert [row["epoch"] for row in again.history] == [1, 2]
    assert {name: (run.folder / name).read_bytes() for name in whole} == whole


# The cache


@every_damage
def test_damaged_word_vectors_are_trained_again(damage: str, made: Run) -> None:
    vectors = made.dataset.vectors
    kept = cache_folder("words").glob(f"*-{words.words_code()}.npy")
    path = next(path for path in kept if np.array_equal(np.load(path), vectors))
    content = spoil(path, damage)
    catalogue.forget_loaded()
    again = catalogue.load("scenes-flickr25k", "smoke", seed=EXPERIMENT.seed).vectors
    assert np.array_equal(again, vectors) and path.read_bytes() == content


def test_a_damaged_index_of_regions_is_extracted_again(made: Run) -> None:
    folder = made.dataset.store.folder
    content, checksum = spoil(folder / "index.json", "full of zeros"), made.dataset.checksum
    catalogue.forget_loaded()
    assert catalogue.load("scenes-flickr25k", "smoke", seed=EXPERIMENT.seed).checksum == checksum
    assert json.loads((folder / "index.json").read_bytes())["shards"] == json.loads(content)["shards"]


@every_damage
def test_a_pool_with_a_damaged_manifest_is_drawn_again(damage: str, made: Run) -> None:
    manifest = cache_folder("scenes") / made.dataset.source.pool / "manifest.json"
    picture = made.dataset.source.picture("dev-000000").tobytes()
    content = spoil(manifest, damage)
    catalogue.forget_loaded()
    again = catalogue.load("scenes-flickr25k", "smoke", seed=EXPERIMENT.seed).source
    assert again.picture("dev-000000").tobytes() == picture and manifest.read_bytes() == content
