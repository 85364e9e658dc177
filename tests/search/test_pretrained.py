"""A model's folder: the run's own embeddings after a round trip, one line for what is damaged, nothing overwritten."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import hub_mixin

from semshare import evaluation
from semshare.errors import UserError
from semshare.runs.store import Run
from semshare.search import pretrained
from semshare.search.folder import CONFIG, WEIGHTS
from semshare.search.pretrained import PretrainedModel
from semshare.search.retriever import Retriever

# There and back


@pytest.mark.parametrize(
    ("method", "fields"),
    [("ours", {}), ("independent", {"preset": "released"}), ("dscmr", {"learning_rate": 2e-3})],
)
def test_a_folder_gives_the_runs_own_embeddings_bit_for_bit(
    method: str, fields: dict[str, Any], tmp_path: Path, short_run: Callable[..., Run]
) -> None:
    run = short_run(method, **fields)
    expected = run.reading("test")
    PretrainedModel.of_run(run, "cpu").save_pretrained(tmp_path / "model")
    model = PretrainedModel.from_pretrained(tmp_path / "model", device="cpu")
    found = evaluation.read_split(model.network, run.dataset, "test", torch.device("cpu"), run.experiment)
    for name, tensor in vars(expected).items():
        assert torch.equal(getattr(found, name), tensor), name


def test_texts_as_written_give_the_runs_own_embeddings_bit_for_bit(run: Run, saved: Path) -> None:
    model, expected = PretrainedModel.from_pretrained(saved, device="cpu"), run.reading("test")
    encoded = model.encode_texts(run.dataset.parts["test"].texts)
    assert torch.equal(encoded.embedding, expected.text) and torch.equal(encoded.scores, expected.text_scores)
    counts = evaluation.metrics.f1_counts(
        expected.text_scores, run.dataset.parts["test"].text_labels, run.thresholds.text
    )
    assert sum(map(len, model.predicted("text", encoded.scores))) == int(counts[:, :2].sum())


def test_pictures_give_the_runs_embeddings_through_the_models_own_regions(run: Run, saved: Path) -> None:
    model, part = PretrainedModel.from_pretrained(saved, device="cpu"), run.dataset.parts["test"]
    encoded = model.encode_pictures([run.dataset.source.picture(id) for id in part.image_ids[:8]])
    expected = run.reading("test").image[:8]
    # Regions of other batches differ in the last bits before they are rounded to half precision; pictures by far more.
    assert (encoded.embedding - expected).abs().max() < 1e-4 < (expected[1:] - expected[:-1]).abs().amax(1).min()


def test_where_padding_is_read_no_text_moves_another(short_run: Callable[..., Run]) -> None:
    model = PretrainedModel.of_run(short_run("independent", preset="released"), "cpu")
    texts = ["dog", "dog sky girl tree people", "sky"]
    together, alone = model.encode_texts(texts).embedding, [model.encode_texts([one]).embedding for one in texts]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-6, rtol=0)


def test_the_fingerprint_is_the_weights_words_and_fields(run: Run, saved: Path, short_run: Callable[..., Run]) -> None:
    model = PretrainedModel.from_pretrained(saved)
    assert model.fingerprint == PretrainedModel.of_run(run).fingerprint
    assert model.fingerprint != PretrainedModel.of_run(short_run(seed=32)).fingerprint


def test_load_takes_a_folder_a_run_and_its_key(run: Run, saved: Path) -> None:
    found = {pretrained.load(name, "cpu").fingerprint for name in (saved, str(saved), run.folder, run.key)}
    assert len(found) == 1


# Writing


def test_saving_takes_the_place_of_an_older_model(copied: Path, short_run: Callable[..., Run]) -> None:
    other = PretrainedModel.of_run(short_run(seed=32), "cpu")
    other.save_pretrained(copied)
    assert PretrainedModel.from_pretrained(copied).fingerprint == other.fingerprint
    assert [path.name for path in copied.parent.iterdir()] == [copied.name]


@pytest.mark.parametrize("name", ["holiday.jpg", CONFIG, WEIGHTS])
def test_saving_never_takes_the_place_of_something_else(name: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / name).write_text("{}", encoding="utf-8")
    with pytest.raises(UserError, match="mine"):
        PretrainedModel.of_run(run, "cpu").save_pretrained(tmp_path / "mine")
    assert (tmp_path / "mine" / name).read_text(encoding="utf-8") == "{}" and len(list(tmp_path.rglob("*"))) == 2


def test_a_save_that_fails_leaves_the_older_model(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path.name: path.read_bytes() for path in copied.iterdir()}

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pretrained, "save_file", full)
    with pytest.raises(UserError, match=r"model\.safetensors: cannot be written: the disk is full"):
        PretrainedModel.from_pretrained(copied).save_pretrained(copied)
    assert {path.name: path.read_bytes() for path in copied.iterdir()} == before
    assert [path.name for path in copied.parent.iterdir()] == [copied.name]


# Damaged or foreign


def _changed(field: str, value: Any) -> Any:
    def change(folder: Path) -> None:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        place = config
        *outer, last = field.split(".")
        for name in outer:
            place = place[name]
        place[last] = value
        (folder / CONFIG).write_text(json.dumps(config), encoding="utf-8")

    return change


def test_what_is_no_model_at_all_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"config\.json.*run\.json"):
        pretrained.load(tmp_path)
    with pytest.raises(UserError, match="run: 'nothing'"):
        pretrained.load("nothing")
    with pytest.raises(UserError, match="'nobody/nothing': no such folder, and nothing of it in "):
        pretrained.load("nobody/nothing")  # the tests' hub is offline


def test_a_model_of_simulated_regions_says_that_it_reads_no_pictures(copied: Path) -> None:
    _changed("regions", "simulated")(copied)
    model = PretrainedModel.from_pretrained(copied, device="cpu")
    assert model.encode_texts(["dog"]).embedding.shape == (1, len(model.config.label_names))
    with pytest.raises(UserError, match="trained on simulated regions"):
        model.encode_pictures([])
    retriever = Retriever(model, quiet=True)
    retriever.add_texts(["dog", "sky"])
    assert retriever.search_texts("dog", top=1)[0].hits[0].item == "dog"
    assert retriever.search_images() == []


def test_a_checkpoint_that_a_strangers_folder_names_is_never_looked_for(copied: Path, run: Run) -> None:
    content = json.loads((copied / "config.json").read_text(encoding="utf-8"))
    content["experiment"]["bert"] = "someone/else"
    (copied / "config.json").write_text(json.dumps(content), encoding="utf-8")
    model = PretrainedModel.from_pretrained(copied, device="cpu")  # the tests' hub is offline
    assert model.encode_texts(["dog"]).embedding.shape == (1, len(model.config.label_names))


# The hub


def test_push_to_hub_uploads_the_folder_and_from_pretrained_fetches_it(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = tmp_path / "hub"

    class Api:
        def __init__(self, token: str | None = None) -> None:
            pass

        def create_repo(self, repo_id: str, **_: Any) -> Any:
            return type("Repo", (), {"repo_id": repo_id})

        def upload_folder(self, repo_id: str, folder_path: Path, **_: Any) -> str:
            shutil.copytree(folder_path, hub / repo_id)
            return f"hub/{repo_id}"

    monkeypatch.setattr(hub_mixin, "HfApi", Api)
    monkeypatch.setattr(pretrained, "snapshot_download", lambda name, allow_patterns, **_: hub / name)
    model = PretrainedModel.from_pretrained(saved)
    assert model.push_to_hub("someone/dogs") == "hub/someone/dogs"
    assert model.save_pretrained(tmp_path / "here", push_to_hub=True, repo_id="someone/cats") == "hub/someone/cats"
    for folder in (hub / "someone/dogs", hub / "someone/cats", tmp_path / "here"):
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
            path.name: path.read_bytes() for path in saved.iterdir()
        }
    assert pretrained.load("someone/dogs").fingerprint == model.fingerprint
