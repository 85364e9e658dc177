"""A detector's weights: fetched or handed over, known by their checksum, named where they are damaged."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from webserver import serve

from semshare.data.fetch.download import Remote
from semshare.data.regions import registry
from semshare.data.regions.kept import region_code
from semshare.data.regions.registry import EXTRACTORS, take_weights
from semshare.data.regions.weights import YOLOX_NANO, Weights
from semshare.errors import UserError

CONTENT = b"weights of a detector"
SHA = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMSHARE_HOME", str(tmp_path / "home"))


def test_a_missing_file_is_fetched_once_and_another_copy_is_said_and_taken() -> None:
    said: list[str] = []
    with serve() as server:
        server.files["/w.onnx"] = CONTENT
        weights = Weights(Remote(f"{server.url}/w.onnx", "w.onnx"), "0" * 64)
        assert weights.digest() == ""
        assert weights.load(Path.read_bytes, said.append) == CONTENT
    assert weights.load(Path.read_bytes, said.append) == CONTENT, "the server is gone"
    assert said == [f"{weights.path}: sha256 {SHA}; semshare was tried with a copy of {'0' * 64}: results may differ"]
    assert weights.digest() == SHA[:12]


def test_without_a_network_the_message_says_how_to_hand_a_file_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # between attempts
    weights = Weights(Remote("http://127.0.0.1:9/w.onnx", "w.onnx"), SHA)
    with pytest.raises(UserError, match=r"(?s)127\.0\.0\.1:9.*--weights FILE"):
        weights.fetch()
    given = tmp_path / "mine.onnx"
    given.write_bytes(CONTENT)
    said: list[str] = []
    weights.take(given, weights.digest, said.append)
    assert weights.fetch().read_bytes() == CONTENT and said == []


def test_a_file_that_is_none_is_named() -> None:
    YOLOX_NANO.path.parent.mkdir(parents=True)
    YOLOX_NANO.path.write_bytes(b"\0" * 100)
    with pytest.raises(UserError, match=r"yolox_nano\.onnx: these are no weights .*--weights"):
        EXTRACTORS["yolox-nano"].make("cpu")
    other = YOLOX_NANO.path.with_name("other.onnx")
    other.write_bytes(b"\1" * 100)
    with pytest.raises(UserError, match=r"^.*other\.onnx: .*these are no weights of yolox_nano\.onnx"):
        take_weights("yolox-nano", other)
    assert YOLOX_NANO.path.read_bytes() == b"\0" * 100, "what lay there lies there still"
    with pytest.raises(UserError, match=r"nothing\.onnx: weights: No such file"):
        take_weights("yolox-nano", YOLOX_NANO.path.with_name("nothing.onnx"))


@pytest.mark.parametrize("regions", ["grid", "simulated", "fasterrcnn"])
def test_regions_without_such_a_file_take_none(regions: str) -> None:
    with pytest.raises(UserError, match=f"regions '{regions}' take no file of weights, only yolox-nano, "):
        take_weights(regions, Path("x"))


def test_other_weights_make_other_regions() -> None:
    before = region_code("yolox-nano")
    YOLOX_NANO.path.parent.mkdir(parents=True)
    codes = {before}
    for content in (b"a", b"b"):
        YOLOX_NANO.path.write_bytes(content)
        codes.add(region_code("yolox-nano"))
    assert len(codes) == 3 and all(code.startswith(before) for code in codes)
    assert registry.EXTRACTORS["grid"].weights is None and "-" not in region_code("grid")
