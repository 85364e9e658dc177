"""YOLOX-nano's regions: what the network says, decoded by hand; its published weights on photographs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from semshare.data.readers.coco_labels import LABELS
from semshare.data.regions.registry import EXTRACTORS, take_weights
from semshare.data.regions.yolox import YoloxImagenetRegions, YoloxRegions, decode


@pytest.fixture(scope="module")
def yolox(realdata: Path, semshare_home: Path) -> YoloxRegions:
    weights = realdata.parent / "weights" / "yolox_nano.onnx"
    if not weights.is_file():
        pytest.skip(f"{weights} is not there")
    said: list[str] = []
    take_weights("yolox-nano", weights, said.append)
    assert said == [], "the copy that semshare was tried with"
    return EXTRACTORS["yolox-nano"].make("cpu")


@pytest.fixture(scope="module")
def photographs(realdata: Path) -> list[Image.Image]:
    return [Image.open(path) for path in sorted((realdata / "coco" / "val2017").glob("*.jpg"))[:12]]


def test_a_cell_says_where_its_box_is_in_strides() -> None:
    output = torch.zeros(3549, 85)
    rows = {0: (52 * 3 + 5, 8, 5, 3), 1: (52 * 52 + 26 * 2 + 7, 16, 7, 2), 2: (52 * 52 + 26 * 26 + 12, 32, 12, 0)}
    for row, *_ in rows.values():
        output[row, :6] = torch.tensor([0.5, 0.25, np.log(2), np.log(3), 0.8, 0.5])
    boxes, scores = decode(output)
    assert boxes.shape == (3549, 4) and scores.shape == (3549, 80)
    for row, stride, across, down in rows.values():
        x, y = (across + 0.5) * stride, (down + 0.25) * stride
        corners = [x - stride, y - 1.5 * stride, x + stride, y + 1.5 * stride]
        assert boxes[row].tolist() == pytest.approx(corners)
        assert scores[row, 0] == pytest.approx(0.4) and scores[row, 1:].sum() == 0


@pytest.mark.slow
def test_photographs_show_what_the_detector_says(yolox: YoloxRegions, photographs: list[Image.Image]) -> None:
    regions = yolox.extract(photographs)
    count = len(photographs)
    assert regions.features.shape == (count, 36, 1360) and regions.boxes.shape == (count, 36, 5)
    best = [LABELS[number] for number in regions.classes[:, 0]]
    assert best[1:4] == ["bear", "bed", "stop sign"] and (regions.scores[:, 0] > 0.3).all()
    box = regions.boxes[3, 0, :4]  # the stop sign stands in the upper left half
    assert box.tolist() == pytest.approx([0.33, 0.15, 0.68, 0.45], abs=0.05)
    assert (regions.scores > 0).all(), "the best 36 whatever their score"
    assert (regions.scores[:, :-1] >= regions.scores[:, 1:]).all(), "best first"
    assert 1.5 < (regions.scores > 0.5).sum(1).float().mean() < 4
    class_scores = regions.features[..., 1280:]
    torch.testing.assert_close(class_scores.amax(-1), regions.scores, rtol=0, atol=2**-14)
    assert torch.equal(class_scores.argmax(-1), regions.classes)
    assert regions.boxes.min() >= 0 and regions.boxes.max() <= 1 and np.isfinite(regions.rows()).all()


@pytest.mark.slow
def test_a_feature_is_the_map_over_its_box(yolox: YoloxRegions, photographs: list[Image.Image]) -> None:
    """The mean of the map at 4 x 4 points of the box, each read between its four neighbours."""
    picture = yolox.shrink(photographs[1])
    regions = yolox.extract([picture])
    with torch.inference_mode():
        fmap = yolox._network.extract_features(yolox._batch([picture]))
    x1, y1, x2, y2 = regions.boxes[0, 0, :4]
    steps = (torch.arange(4) + 0.5) / 4
    across, down = 2 * (x1 + (x2 - x1) * steps) - 1, 2 * (y1 + (y2 - y1) * steps) - 1
    grid = torch.stack(torch.meshgrid(down, across, indexing="ij")[::-1], -1)[None]
    read = torch.nn.functional.grid_sample(fmap, grid, align_corners=False, padding_mode="border")
    torch.testing.assert_close(read.mean((2, 3))[0], regions.features[0, 0, :1280], rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_classes_of_imagenet_change_nothing_else(yolox: YoloxRegions, photographs: list[Image.Image]) -> None:
    named, other = yolox.extract(photographs[:3]), YoloxImagenetRegions().extract(photographs[:3])
    for part in ("features", "boxes", "scores"):
        assert torch.equal(getattr(named, part), getattr(other, part))
    assert named.classes.max() < 80 <= other.classes.max() < 1000


@pytest.mark.slow
@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (30, 20)])
def test_the_smallest_and_the_thinnest_picture_have_regions(yolox: YoloxRegions, size: tuple[int, int]) -> None:
    regions = yolox.extract([Image.new("RGB", size, "red")])
    assert torch.isfinite(regions.features).all() and regions.boxes.max() <= 1
