"""Faster R-CNN regions: the rule on hand-made detections, the whole path with random weights."""

from __future__ import annotations

import urllib.error
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from semshare.data.regions.detector import FasterRCNNRegions, MobileFasterRCNNRegions
from semshare.data.regions.extract import extract_to_store
from semshare.data.regions.registry import EXTRACTORS
from semshare.errors import UserError


@pytest.fixture(scope="module")
def mobile() -> MobileFasterRCNNRegions:
    return MobileFasterRCNNRegions(weights=None)


def test_random_weights_are_always_the_same_and_the_name_says_so(mobile: MobileFasterRCNNRegions) -> None:
    torch.manual_seed(5)
    again = EXTRACTORS["fasterrcnn-mobilenet-untrained"].make("cpu")
    assert again.name == mobile.name == "fasterrcnn-mobilenet-untrained"
    assert MobileFasterRCNNRegions.name == "fasterrcnn-mobilenet"
    first, second = mobile._network.state_dict(), again._network.state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    drawn = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(3)), "the caller's random state was moved"


def test_real_photographs_with_random_weights(mobile: MobileFasterRCNNRegions, realdata: Path) -> None:
    paths = sorted((realdata / "coco" / "val2017").glob("*.jpg"))[:2]
    regions = mobile.extract([Image.open(path) for path in paths])
    assert regions.features.shape == (2, 36, 1024) and regions.boxes.shape == (2, 36, 5)
    assert (regions.scores > 0).all() and (regions.scores < 0.5).all(), "none is eligible, the fallback fills 36"
    assert torch.isfinite(regions.features).all()
    assert regions.boxes.min() >= 0 and regions.boxes.max() <= 1
    assert regions.classes.min() >= 1 and regions.classes.max() < 91
    assert regions.rows().shape == (2, 36, 1031) and (regions.rows()[..., -1] > 0).all()


def test_a_feature_is_the_box_heads_output_for_its_own_box(mobile: MobileFasterRCNNRegions) -> None:
    picture = Image.effect_noise((320, 320), 90).convert("RGB")
    regions, net = mobile.extract([picture]), mobile._network
    with torch.inference_mode():
        batch, _ = net.transform([mobile._pixels(picture)])
        box = regions.boxes[0, 7:8, :4] * 320
        pooled = net.roi_heads.box_roi_pool(net.backbone(batch.tensors), [box], batch.image_sizes)
        torch.testing.assert_close(net.roi_heads.box_head(pooled)[0], regions.features[0, 7], rtol=1e-3, atol=1e-4)


def test_without_network_the_message_says_where_the_weights_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: object, **given: object) -> None:
        assert given["weights_only"] is True
        raise urllib.error.URLError("no route")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", refuse)
    for kind in (FasterRCNNRegions, MobileFasterRCNNRegions):
        with pytest.raises(UserError, match=rf"{tmp_path}.*checkpoints/fasterrcnn_.*\.pth: .*no route.* put the file"):
            kind()


def test_a_picture_one_pixel_high_is_left_out_and_its_batch_goes_on(
    mobile: MobileFasterRCNNRegions, tmp_path: Path
) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    pictures = {"good": Image.fromarray(pixels), "flat": Image.new("RGB", (2000, 1)), "other": Image.fromarray(pixels)}
    store = extract_to_store(mobile, list(pictures), pictures.__getitem__, tmp_path, lambda w, n: w, 3, say=str)
    assert list(store.skipped) == ["flat"] and "nothing can be computed" in store.skipped["flat"]
    np.testing.assert_array_equal(*store.read(["good", "other"]))
