"""A model whose texts were cut at white space, or by a tokenizer: trained, exported, and asked in the same words."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from commands import run
from PIL import Image
from tokenizers import Tokenizer as Fast
from tokenizers import models, pre_tokenizers

from semshare import runs
from semshare.data import prepare
from semshare.errors import UserError
from semshare.runs.store import Run
from semshare.search.folder import CONFIG, TOKENIZER, WORDS
from semshare.search.pretrained import PretrainedModel
from semshare.search.retriever import Retriever

TEXTS = ("東京 タワー", "京都 の 猫", "東京 の 夜", "Dogs dog")  # of pictures in turn
PIECES = ("[UNK]", "東", "##京", "京", "##都", "の", "猫", "夜", "Dog", "dog", "##s")


@pytest.fixture
def collection(tmp_path: Path, own_home: Path) -> Path:
    """Twelve pictures of two labels, the texts in Japanese words with spaces between."""
    folder, lines = tmp_path / "collection", []
    folder.mkdir()
    for row in range(12):
        Image.new("RGB", (16, 16), (20 * row, 255 - 20 * row, 90)).save(folder / f"{row}.png")
        split = "train" if row < 6 else "dev" if row < 9 else "test"
        labels = [("sky", "sea")[row % 2]]
        lines.append({"image": f"{row}.png", "texts": [TEXTS[row % 4]], "labels": labels, "split": split})
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return folder


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    """The folder of a tokenizer that cuts words into signs."""
    fast = Fast(models.WordPiece({piece: id for id, piece in enumerate(PIECES)}, unk_token="[UNK]"))
    fast.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast.enable_truncation(2)
    (tmp_path / "secret" / "mine" / "signs").mkdir(parents=True)
    fast.save(str(tmp_path / "secret" / "mine" / "signs" / TOKENIZER))
    return tmp_path / "secret" / "mine" / "signs"


def trained(collection: Path, tokens: str) -> Run:
    prepare.prepare("custom", collection, tokens=tokens, say=lambda line: None)
    planned = runs.plan("custom", "ours", "smoke", "cpu", epochs=1, precision="float32")
    return runs.get(planned, "cpu", quiet=True)


def the_same_without_run_and_data(made: Run, folder: Path, gone: list[Path]) -> PretrainedModel:
    """The run's model from its folder, after ``gone`` are gone; it must read texts as the run did."""
    expected, texts = made.reading("test"), made.dataset.parts["test"].texts
    words = made.dataset.vocabulary.words
    PretrainedModel.of_run(made, "cpu").save_pretrained(folder)
    for path in gone:
        shutil.rmtree(path)
    model = PretrainedModel.from_pretrained(folder, device="cpu")
    assert torch.equal(model.encode_texts(texts).embedding, expected.text)
    assert tuple((folder / WORDS).read_text(encoding="utf-8").split("\n")[:-1]) == words == model.vocabulary.words
    again = folder.with_name("again")
    model.save_pretrained(again)
    assert {path.name: path.read_bytes() for path in again.iterdir()} == {
        path.name: path.read_bytes() for path in folder.iterdir()
    }
    return model


def test_words_already_cut_stay_so_from_training_to_search(collection: Path, tmp_path: Path) -> None:
    made = trained(collection, "space")
    assert made.experiment.tokens == made.record["experiment"]["tokens"] == "space"
    assert "cut at white space alone" in made.card_texts()["DATA_CARD.md"]
    model = the_same_without_run_and_data(made, tmp_path / "model", [collection])
    assert not (tmp_path / "model" / TOKENIZER).exists()
    assert model.words_of("東京 の dogs Dogs") == (["東京", "の", "Dogs"], ["dogs"])
    assert model.words_of("東京の猫") == ([], ["東京の猫"])
    retriever = Retriever(model, quiet=True)
    retriever.add_texts(["東京 タワー", "dog", "東京タワー"])  # the last is no known word: left out
    found = retriever.search_texts("東京 タワー", "東京タワー", top=5)
    assert found[0].hits[0].item == "東京 タワー" and len(found[0].hits) == 2
    assert found[1].unknown == ("東京タワー",) and not found[1].hits


def test_a_tokenizer_goes_with_its_model_and_cuts_its_queries(
    collection: Path,
    tokenizer: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = trained(collection, str(tokenizer))
    assert made.experiment.tokens == str(tokenizer)
    assert "cut by the tokenizer mine/signs" in made.card_texts()["DATA_CARD.md"]
    content = (tokenizer / TOKENIZER).read_bytes()
    model = the_same_without_run_and_data(made, tmp_path / "model", [collection, tokenizer])
    assert (tmp_path / "model" / TOKENIZER).read_bytes() == content
    for path in (tmp_path / "model").iterdir():
        assert b"secret" not in path.read_bytes(), f"{path.name} names a folder of this machine"
    # Words that no text held are made of signs that are known.
    assert model.words_of("東都 dogs 犬") == (["東", "##都", "dog", "##s"], [])
    texts = tmp_path / "texts.txt"
    texts.write_text("東京\nDogs\n犬\n", encoding="utf-8")
    assert run(monkeypatch, "search", tmp_path / "model", "--texts", texts, "--text", "東京", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["items"] == 2 and list(result["skipped"]) == ["犬"]
    assert result["queries"][0]["hits"][0]["item"] == "東京"


def test_a_models_tokenizer_is_checked(collection: Path, tokenizer: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    PretrainedModel.of_run(trained(collection, str(tokenizer)), "cpu").save_pretrained(folder)
    good, config = (folder / TOKENIZER).read_bytes(), json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    assert config["experiment"]["tokens"] == "mine/signs" and len(config["tokenizer"]) == 64

    def refused(expected: str) -> None:
        with pytest.raises(UserError, match=expected) as caught:
            PretrainedModel.from_pretrained(folder)
        assert "\n" not in str(caught.value)

    (folder / TOKENIZER).write_bytes(good.replace(b"Dog", b"Cat"))
    refused(r"tokenizer\.json: found a tokenizer of checksum .*, expected .* as config\.json says")
    (folder / TOKENIZER).unlink()
    refused(r"tokenizer\.json: missing")
    (folder / TOKENIZER).write_bytes(good)
    for changed in ({"tokenizer": None}, {"experiment": config["experiment"] | {"tokens": "space"}}):
        (folder / CONFIG).write_text(json.dumps(config | changed), encoding="utf-8")
        refused(
            r"config\.json: experiment\.tokens: found '.*', expected words or space where tokenizer has no checksum"
        )
    # The folder is known as a model's: a newer one, without a tokenizer, takes its place.
    (folder / CONFIG).write_text(json.dumps(config), encoding="utf-8")
    PretrainedModel.of_run(trained(collection, "space"), "cpu").save_pretrained(folder)
    assert not (folder / TOKENIZER).exists() and PretrainedModel.from_pretrained(folder).tokenizer.name == "space"
