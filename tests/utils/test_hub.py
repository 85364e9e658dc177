"""A model hub's cache that lacks something: the file is named, and the command that fetches it again."""

from __future__ import annotations

import re
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import webserver
from huggingface_hub import constants
from transformers import BertConfig, BertModel

from semshare import bert
from semshare.data import tokens
from semshare.errors import UserError
from semshare.search import pretrained
from semshare.utils import hub

NAME, COMMIT = "someone/small-bert", "0123456789" * 4


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small BERT as a hub's cache holds it: a reference, a snapshot of links, and what they lead to."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    bert._digest.cache_clear()  # other tests' checkpoint has the same name
    model = tmp_path / "models--someone--small-bert"
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
    BertModel(BertConfig(vocab_size=1, **sizes)).save_pretrained(model / "blobs")
    snapshot = model / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    for path in (model / "blobs").iterdir():
        (snapshot / path.name).symlink_to(f"../../blobs/{path.name}")
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text(COMMIT, encoding="utf-8")
    return model


def test_a_whole_cache_lacks_nothing(cached: Path) -> None:
    assert hub.lacks(NAME, [["config.json"], ["pytorch_model.bin", "model.safetensors"]]) == ""
    assert hub.lacks("someone/else", [["config.json"]]) == "", "what was never fetched is told by who wants it"
    assert len(bert.digest(NAME)) == 64


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no reference": (lambda model: shutil.rmtree(model / "refs"), "refs/main is missing"),
    "no snapshot": (lambda model: shutil.rmtree(model / "snapshots"), f"{COMMIT}/config.json is missing"),
    "a link to nothing": (
        lambda model: (model / "blobs" / "config.json").unlink(),
        f"{COMMIT}/config.json is a link to nothing",
    ),
    "no weights": (
        lambda model: (model / "snapshots" / COMMIT / "model.safetensors").unlink(),
        f"{COMMIT}/model.safetensors is missing",
    ),
    "weights that lead to nothing": (
        lambda model: (model / "blobs" / "model.safetensors").unlink(),
        f"{COMMIT}/model.safetensors is a link to nothing",
    ),
    "half the weights": (
        lambda model: (model / "blobs" / "model.safetensors").write_bytes(b"\x08"),
        "damaged, or of another format: ",
    ),
    "no weights but zeros": (
        lambda model: (model / "blobs" / "model.safetensors").write_bytes(bytes(4096)),
        "damaged, or of another format: ",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_a_bert_checkpoint_lacks_in_the_cache_is_named_with_the_command(damage: str, cached: Path) -> None:
    spoil, expected = DAMAGES[damage]
    spoil(cached)
    with pytest.raises(UserError) as caught:
        bert.digest(NAME)
    assert re.fullmatch(
        rf"bert: cannot read a BERT checkpoint from '{NAME}': .*{re.escape(expected)}.*; "
        rf"fetch it again with: hf download {NAME} --force-download",
        str(caught.value),
    )


@pytest.mark.parametrize("damage", ["no reference", "no snapshot", "a link to nothing"])
def test_what_a_model_lacks_in_the_cache_is_named_with_the_command(damage: str, cached: Path) -> None:
    spoil, _ = DAMAGES[damage]
    spoil(cached)
    with pytest.raises(UserError) as caught:
        pretrained.PretrainedModel.from_pretrained(NAME, cache_dir=str(cached.parent))
    message = str(caught.value)
    assert ("refs/main" if damage == "no reference" else "config.json") in message
    assert message.endswith(f"hf download {NAME} --force-download --cache-dir {cached.parent}")
    assert "\n" not in message


@pytest.fixture(params=["refused", "silent"])
def out_of_reach(request: pytest.FixtureRequest, cached: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A hub that takes no connection, or takes it and says nothing."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if request.param == "silent":
            server.listen()
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(hub, "_PATIENCE", 1)
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        hub._asked.cache_clear()
        yield request.param
        hub._asked.cache_clear()


ASKS: dict[str, Callable[[str], object]] = {
    "a BERT checkpoint": bert.digest,
    "a tokenizer": tokens.find,
    "a model": pretrained.load,
}


@pytest.mark.parametrize("what", ASKS)
def test_a_name_that_is_not_here_fails_soon_where_the_hub_is_out_of_reach(
    what: str, out_of_reach: str, cached: Path
) -> None:
    start = time.monotonic()
    with pytest.raises(UserError) as caught:
        ASKS[what]("nobody/nothing")
    assert time.monotonic() - start < 10, "the hub's own library tries for half a minute"
    message = str(caught.value)
    assert "\n" not in message and f"'nobody/nothing': no such folder, and nothing of it in {cached.parent}" in message
    assert "the hub cannot be reached: " in message and "hf download nobody/nothing --local-dir FOLDER" in message
    assert message.count("timed out" if out_of_reach == "silent" else "refused") == 1


def test_what_the_cache_holds_is_read_soon_where_the_hub_is_out_of_reach(out_of_reach: str, cached: Path) -> None:
    start = time.monotonic()
    assert len(bert.digest(NAME)) == 64
    assert time.monotonic() - start < 10


def test_an_address_that_is_looked_up_for_ever_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, out_of_reach: str
) -> None:
    monkeypatch.setattr(hub, "_PATIENCE", 0.1)
    monkeypatch.setattr("huggingface_hub.get_session", lambda: time.sleep(5))
    assert hub.unreachable().endswith("gave no answer within 0.2 seconds")


def test_a_hub_that_answers_is_within_reach(cached: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with webserver.serve() as server:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        hub._asked.cache_clear()
        assert hub.unreachable() == "" and hub.absent("nobody/nothing") == ""
    hub._asked.cache_clear()
