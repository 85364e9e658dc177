"""A model hub's cache that lacks something: the file is named, and the command that fetches it again."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from transformers import BertConfig, BertModel

from semshare import bert
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


def test_what_was_never_fetched_is_not_to_be_fetched_again(cached: Path) -> None:
    with pytest.raises(UserError, match="'nobody/nothing': no such folder, and not to be had from the hub") as caught:
        pretrained.load("nobody/nothing")
    assert "hf download" not in str(caught.value)
