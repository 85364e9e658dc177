"""Classes of precomputed regions: the best of the scores, or k-means fitted on the training rows alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from semshare.data.regions import visual_words as module
from semshare.data.regions.arrays import ArrayFile, RegionArrays
from semshare.data.regions.kept import region_code
from semshare.data.regions.visual_words import best_classes, visual_words, word_count

pytestmark = pytest.mark.usefixtures("own_home")


def _file(path: Path, array: np.ndarray) -> ArrayFile:
    np.save(path, array)
    return ArrayFile(path)


def _clusters(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Regions [count, 4, 6] around three points far apart, and which point each is of."""
    rng = np.random.default_rng(seed)
    of = rng.integers(0, 3, (count, 4))
    return (100.0 * np.eye(6)[of] + rng.normal(size=(count, 4, 6))).astype("f4"), of


def test_the_best_class_is_that_of_the_highest_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("semshare.data.regions.arrays._BLOCK", 200)  # several blocks
    scores = np.random.default_rng(0).random((9, 4, 5), np.float32)
    file = best_classes(_file(tmp_path / "s.npy", scores), "a sum")
    np.testing.assert_array_equal(file.read(range(9)), scores.argmax(-1))


def test_words_tell_apart_what_is_far_apart_in_every_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WORDS", 3)
    (train, of_train), (test, of_test) = _clusters(20, 0), _clusters(10, 1)
    parts = [RegionArrays(_file(tmp_path / f"{n}.npy", array)) for n, array in enumerate((train, test))]
    count, files = visual_words(parts, range(20), ["a", "b"])
    assert count == 3
    words = {int(word): set() for word in range(3)}
    for file, of in zip(files, (of_train, of_test), strict=True):
        for word, point in zip(file.read(range(len(of))).ravel(), of.ravel(), strict=True):
            words[int(word)].add(int(point))
    assert sorted(map(tuple, words.values())) == [(0,), (1,), (2,)]


def test_words_are_fitted_on_training_rows_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    read = ArrayFile.read
    monkeypatch.setattr(ArrayFile, "read", lambda file, rows: asked.extend(rows) or read(file, rows))
    features, _ = _clusters(20, 0)
    visual_words([RegionArrays(_file(tmp_path / "a.npy", features))], range(5, 15), ["a"])
    assert sorted(asked) == list(range(5, 15))


def test_the_same_words_come_again_and_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    features, _ = _clusters(20, 0)
    parts = [RegionArrays(_file(tmp_path / "a.npy", features))]
    _, (first,) = visual_words(parts, range(20), ["a"])
    kept = first.read(range(20))
    assert first.path.parent.name.endswith(f"-precomputed-{region_code('precomputed')}")  # current to semshare cache
    _, (again,) = visual_words(parts, range(20), ["another sum, so that they are fitted again"])
    assert again.path != first.path
    np.testing.assert_array_equal(again.read(range(20)), kept)
    monkeypatch.setattr(module, "_fit", None)  # would fail
    _, (found,) = visual_words(parts, range(20), ["a"])
    np.testing.assert_array_equal(found.read(range(20)), kept)
    first.path.write_bytes(b"cut")
    with pytest.raises(TypeError):  # a damaged one is made again
        visual_words(parts, range(20), ["a"])


def test_regions_that_are_not_there_are_no_words(tmp_path: Path) -> None:
    features, _ = _clusters(40, 0)
    scores = np.zeros((40, 4), "f4")
    scores[:, 0] = 1
    arrays = RegionArrays(_file(tmp_path / "a.npy", features), scores=_file(tmp_path / "s.npy", scores))
    assert word_count(arrays, range(40)) == 40 // 8 and word_count(arrays, range(2)) == 1
    features[:, 1:] = 1e6  # what scores 0 would draw every centre
    np.save(tmp_path / "a.npy", features)
    count, (file,) = visual_words([arrays], range(40), ["a"])
    assert count == 5 and len(set(file.read(range(40))[:, 0].tolist())) > 1


def test_one_region_is_one_word(tmp_path: Path) -> None:
    count, (file,) = visual_words([RegionArrays(_file(tmp_path / "a.npy", np.ones((1, 6), "f4")))], [0], ["a"])
    assert count == 1 and file.read([0]).tolist() == [[0]]
