"""No leak: nothing that training leaves depends on the test split, nothing reads it before training is over."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from data.readers import test_coco, test_manifest, test_mirflickr, test_nuswide  # their makers of small folders
from PIL import Image

from semshare import evaluation, methods, runs, training
from semshare.cli import report
from semshare.data import catalogue
from semshare.data.dataset import PairedDataset, build_parts
from semshare.data.regions.store import FeatureStore
from semshare.data.source import SPLITS
from semshare.data.words import Vocabulary
from semshare.evaluation import Thresholds
from semshare.experiment import Experiment
from semshare.runs import store
from semshare.runs.store import Run
from semshare.utils.progress import Progress

CPU = torch.device("cpu")
COUNTS = {"train": 40, "dev": 12, "test": 12}
LABELS = ("cat", "dog", "sea", "sky")


# What training leaves does not depend on the test split


def _write(folder: Path, change: str = "nothing") -> Path:
    """A collection of 64 pictures with 1 to 5 texts each; ``change`` says what becomes of the test rows."""
    (folder / "pictures").mkdir(parents=True)
    random, rows = np.random.default_rng(0), []
    for split, count in COUNTS.items():
        for number in range(count):
            labels = [name for name in LABELS if random.random() < 0.5] or ["sky"]
            texts = [f"{' '.join(labels)} w{random.integers(20)} x{random.integers(20)}" for _ in range(1 + number % 5)]
            pixels = random.integers(0, 256, (6, 8, 3), dtype=np.uint8)
            pixels[:, :, 0] = 50 * len(labels)
            if split == "test" and change == "pictures":
                pixels = 255 - pixels
            Image.fromarray(pixels).save(folder / "pictures" / f"{split}{number}.png")
            rows.append({"image": f"pictures/{split}{number}.png", "texts": texts, "labels": labels, "split": split})
    test = rows[-COUNTS["test"] :]
    if change == "order":
        rows[-COUNTS["test"] :] = test[::-1]
    elif change == "labels":
        for row, other in zip(test, [one["labels"] for one in test[5:] + test[:5]], strict=True):
            row["labels"] = other
    elif change == "texts":
        for row in test:
            row["texts"] = [f"{text} unheard of".replace("w", "new") for text in row["texts"]] + ["w1 sea"]
    (folder / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of the collection after a change of its test rows, written once."""
    written: dict[str, Path] = {}

    def folder(change: str) -> Path:
        if change not in written:
            written[change] = _write(tmp_path_factory.mktemp("collection") / change, change)
        return written[change]

    return folder


TRAININGS = {
    "ours+con": {},
    "independent": {},
    "dscmr": {"learning_rate": 2e-3},
    "ours": {"preset": "released", "pairing": "same-labels"},
}


def _experiment(root: Path, method: str, **fields: Any) -> Experiment:
    fixed = {"epochs": 4, "batch": 16, "precision": "float32", "keep": "every-epoch"}
    return runs.plan("custom", method, "smoke", "cpu", root=root, **{**fixed, **fields})


def _trained(root: Path, method: str) -> Run:
    return runs.get(_experiment(root, method, **TRAININGS[method]), "cpu", quiet=True)


def _left(run: Run) -> dict[str, Any]:
    """All that training decides: every weight file's bytes, the history, the thresholds, words and their vectors."""
    weights = {path.name: path.read_bytes() for path in sorted(run.folder.glob("*.safetensors"))}
    weights = {name: content for name, content in weights.items() if not name.startswith("reading-")}
    assert len(weights) == 5, "four epochs and the best"
    return weights | {
        "history": [{name: value for name, value in row.items() if name != "seconds"} for row in run.history],
        "thresholds": run.thresholds,
        "vocabulary": run.dataset.vocabulary.words,
        "vectors": run.dataset.vectors.tobytes(),
        "dev": [tensor.numpy().tobytes() for tensor in vars(run.reading("dev")).values()],
    }


@pytest.mark.parametrize("change", ["order", "labels", "texts", "pictures"])
@pytest.mark.parametrize("method", TRAININGS)
def test_the_test_split_changes_nothing_that_training_leaves(
    method: str, change: str, collection: Callable[[str], Path]
) -> None:
    before, after = (_trained(collection(which), method) for which in ("nothing", change))
    assert before.folder != after.folder, "trained twice, not found"
    one, other = _left(before), _left(after)
    assert [name for name in one if one[name] != other[name]] == []
    # And the change was one: test itself reads differently.
    if change == "order":
        turned = after.reading("test").image.flip(0)
        torch.testing.assert_close(before.reading("test").image, turned, rtol=0, atol=1e-3)
        assert not torch.equal(before.reading("test").image, turned.flip(0))
    else:
        assert before.test.numbers() != after.test.numbers()


# Unequal numbers of images and texts


def _uneven_coco(root: Path) -> Path:
    """Twenty pictures with 1 to 5 captions each."""
    test_coco._layout(root)
    for path in (root / "annotations").glob("captions_*.json"):
        content = json.loads(path.read_text(encoding="utf-8"))
        kept = [one for one in content["annotations"] if int(one["caption"].split()[1]) <= one["image_id"] % 5]
        path.write_text(json.dumps(content | {"annotations": kept}), encoding="utf-8")
    return root


@pytest.mark.parametrize("method", methods.METHODS)
def test_images_with_one_to_five_captions_work_end_to_end(method: str, tmp_path: Path) -> None:
    root = _uneven_coco(tmp_path / "coco")
    epochs = None if method == "linear" else 1
    run = runs.get(runs.plan("coco", method, "smoke", "cpu", root=root, epochs=epochs), "cpu", quiet=True)
    for split, part in run.dataset.parts.items():
        counts = [part.owner.tolist().count(image) for image in range(len(part.image_ids))]
        assert counts == [1 + int(id) % 5 for id in part.image_ids], split
        assert len(part.texts) == sum(counts) != len(part.image_ids)
    part, reading = run.dataset.parts["test"], run.reading("test")
    images, texts = len(part.image_ids), len(part.texts)
    assert (len(reading.image), len(reading.text)) == (images, texts)
    assert (len(run.test.i2t), len(run.test.t2i)) == (images, texts)
    assert (len(run.test.image_counts), len(run.test.text_counts)) == (images, texts)
    assert all(0 <= value <= 1 for value in run.test.numbers().values())
    for name, found in run.retrieval(["map", "recall@5"]).items():
        assert (len(found.i2t), len(found.t2i)) == (images, texts), name
        assert 0 <= found.i2t.nanmean() <= 1 and 0 <= found.t2i.nanmean() <= 1
    assert set(report.report([run])["gain"]) == {"i2t", "t2i"}


def test_a_text_is_measured_against_its_own_images_labels(collection: Callable[[str], Path]) -> None:
    run = _trained(collection("nothing"), "independent")
    part, reading = run.dataset.parts["test"], run.reading("test")
    assert len(part.texts) == sum(1 + number % 5 for number in range(COUNTS["test"]))
    for row, text in enumerate(part.texts):
        truth = torch.tensor([float(name in text.split()) for name in LABELS])  # a text names its labels
        accepted = (reading.text_scores[row] >= run.thresholds.text).float()
        found = (
            int((accepted * truth).sum()),
            int((accepted * (1 - truth)).sum()),
            int(((1 - accepted) * truth).sum()),
        )
        assert tuple(run.test.text_counts[row].tolist()) == found


# Every dataset's splits are disjoint


def _drawn(root: Path) -> None:
    """Nothing to make: the scenes are generated."""


def _coco16k(root: Path) -> None:
    """Small copies of the first few of each split."""
    listed = json.loads(test_manifest.COCO16K.read_text(encoding="utf-8"))
    test_manifest._copies(root, [id for split in SPLITS for id in listed[split][:9]])


MAKERS: dict[str, Callable[[Path], object]] = {
    "scenes-flickr25k": _drawn,
    "scenes-nuswide": _drawn,
    "scenes-coco5k": _drawn,
    "flickr25k": test_mirflickr._layout,
    "flickr25k-simulated": test_mirflickr._texts_layout,
    "nuswide": test_nuswide._layout,
    "nuswide-tc21": lambda root: test_nuswide._layout(root, "abcdefghijklmnopqrstuvwx"),
    "coco5k": test_coco._karpathy,
    "coco": test_coco._layout,
    "coco16k": _coco16k,
    "custom": _write,
}


def _check_disjoint(name: str, root: Path | None, seed: int) -> dict[str, set[str]]:
    """The ids of each split of a dataset, found to be disjoint, unique and complete."""
    source = catalogue.entry(name).open("smoke", root, seed)
    items = source.items()
    parts = build_parts(items, source.label_names, Vocabulary.build([]))
    ids = {split: set(parts[split].image_ids) for split in SPLITS}
    assert all(len(ids[split]) == len(parts[split].image_ids) > 0 for split in SPLITS)
    assert len(ids["train"] | ids["dev"] | ids["test"]) == sum(map(len, ids.values())) == len(items)
    return ids


@pytest.mark.parametrize("name", catalogue.CATALOGUE)
def test_the_splits_of_every_dataset_are_disjoint(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_coco.coco, "DEV", 2)  # of the three validation pictures of the small folder
    trained = catalogue.trained_as(name)  # another dataset of this one's tests on a head of its test split
    root = None if MAKERS[trained] is _drawn else tmp_path / trained
    MAKERS[trained](root)
    splits = [_check_disjoint(trained, root, seed) for seed in (0, 1)]
    seeded = "split_seed" in catalogue.entry(trained).reads and trained != "custom"  # this one gives its own split
    assert (splits[0] != splits[1]) == seeded


@pytest.mark.parametrize("name", ["coco", "flickr25k-simulated"])
def test_the_splits_of_real_data_are_disjoint(name: str, realdata: Path) -> None:
    for seed in range(3):
        _check_disjoint(name, realdata / name.removesuffix("-simulated"), seed)


def test_a_drawn_picture_that_one_view_tests_on_trains_no_other() -> None:
    views = [_check_disjoint(name, None, 0) for name, maker in MAKERS.items() if maker is _drawn]
    tested = set().union(*(view["test"] for view in views))
    assert len(views) == 3 and not tested & set().union(*(view["train"] | view["dev"] for view in views))


# Nothing reads test before training is over


class TestTouchedError(Exception):
    """Someone read the test split."""

    __test__ = False


def _touched(*_: object, **__: object) -> Any:
    raise TestTouchedError


class SealedParts(dict):
    """The parts of a dataset, of which test cannot be had."""

    def __getitem__(self, split: str) -> Any:
        return _touched() if split == "test" else super().__getitem__(split)

    get = values = items = pop = copy = _touched


@dataclass(frozen=True)
class SealedStore:
    """A feature store that gives no row of the test split."""

    store: FeatureStore
    closed: frozenset[str]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def read(self, ids: list[str]) -> np.ndarray:
        return _touched() if self.closed & set(ids) else self.store.read(ids)


class SealedSource:
    """A source that tells no item: it knows all of them."""

    notes, root, without_pictures = (), None, False
    __getattr__ = _touched


def _sealed(dataset: PairedDataset) -> PairedDataset:
    """``dataset`` with every door to its test split closed: parts, features, source."""
    store = SealedStore(dataset.store, frozenset(dataset.parts["test"].image_ids))
    return replace(dataset, parts=SealedParts(dataset.parts), store=store, source=SealedSource())


@pytest.fixture
def sealed(collection: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Experiment]:
    """An experiment on a sealed dataset, of a seed that no other test trains."""
    open_it = store.load_data
    monkeypatch.setattr(store, "load_data", lambda experiment, *device: _sealed(open_it(experiment)))
    own = {"missing_words": 0.01, "seed": 7, "epochs": 1, "batch": 16, "precision": "float32", "keep": "every-epoch"}
    return lambda method: runs.plan(
        "custom",
        method,
        "smoke",
        "cpu",
        root=collection("nothing"),
        **{name: value for name, value in own.items() if name not in methods.get(method).unread},
    )


@pytest.mark.parametrize("method", methods.METHODS)
def test_a_run_is_made_without_its_test_split(method: str, sealed: Callable[[str], Experiment]) -> None:
    run = runs.get(sealed(method), "cpu", quiet=True)
    assert len(run.history) == (method != "linear") and run.thresholds != Thresholds(0.0, 0.0) and run.card.exists()
    with pytest.raises(TestTouchedError):
        run.test  # noqa: B018 - reading it is the test


def _selects_on_test(monkeypatch: pytest.MonkeyPatch) -> methods.Method:
    def read_split(network: Any, dataset: PairedDataset, split: str, *rest: Any) -> evaluation.Reading:
        return evaluation.read_split(network, dataset, "test", *rest)

    monkeypatch.setattr(training, "read_split", read_split)
    return methods.get("ours")


def _tunes_on_test(monkeypatch: pytest.MonkeyPatch) -> methods.Method:
    class OnTest(Thresholds):
        @classmethod
        def tune(cls, reading: evaluation.Reading, part: object) -> Thresholds:
            return Thresholds.tune(reading, dataset_in_use[-1].parts["test"])

    dataset_in_use: list[PairedDataset] = []
    read = training.read_split
    monkeypatch.setattr(training, "read_split", lambda n, d, *rest: dataset_in_use.append(d) or read(n, d, *rest))
    monkeypatch.setattr(training, "Thresholds", OnTest)
    return methods.get("ours")


def _peeks(look: Callable[[PairedDataset], object]) -> Callable[[pytest.MonkeyPatch], methods.Method]:
    def network(experiment: Experiment, dataset: PairedDataset) -> torch.nn.Module:
        look(dataset)
        return methods.shared_network(experiment, dataset)

    return lambda monkeypatch: replace(methods.get("ours"), network=network)


SABOTAGES: Mapping[str, Callable[[pytest.MonkeyPatch], methods.Method]] = {
    "the epoch chosen on test": _selects_on_test,
    "thresholds tuned on test": _tunes_on_test,
    "labels of test": _peeks(lambda dataset: dataset.parts["test"].labels),
    "all parts": _peeks(lambda dataset: [part.labels for part in dataset.parts.values()]),
    "pictures of test": _peeks(lambda dataset: dataset.images("test", [0])),
    "texts of test": _peeks(lambda dataset: dataset.texts("test", [0])),
    "batches of test": _peeks(lambda dataset: next(dataset.batches("test", 2, torch.Generator()))),
    "features of test": _peeks(lambda dataset: dataset.store.read(["pictures/test3.png"])),
    "items of the source": _peeks(lambda dataset: dataset.source.items()),
}


@pytest.fixture
def dataset(collection: Callable[[str], Path]) -> PairedDataset:
    return catalogue.load("custom", "smoke", collection("nothing"))


@pytest.mark.parametrize("sabotage", SABOTAGES)
def test_a_training_that_touches_test_is_caught(
    sabotage: str, dataset: PairedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = _experiment(tmp_path, "ours", epochs=1)
    method = SABOTAGES[sabotage](monkeypatch)

    def fit(data: PairedDataset, folder: Path) -> list[dict]:
        folder.mkdir()
        return training.fit(experiment, method, data, folder, CPU, Progress("a test", quiet=True))

    assert len(fit(dataset, tmp_path / "open")) == 1, "unnoticed where nothing is sealed"
    with pytest.raises(TestTouchedError):
        fit(_sealed(dataset), tmp_path / "sealed")
