"""Cutting texts into words: at white space alone, and by tokenizers that the tests build."""

from __future__ import annotations

import json
import os
import unicodedata
from pathlib import Path

import pytest
from commands import run
from huggingface_hub import constants
from PIL import Image
from tokenizers import Tokenizer as Fast
from tokenizers import models, normalizers, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from semshare import runs
from semshare.data import catalogue, prepare, tokens
from semshare.data.tokens import OWN, find
from semshare.data.words import SPECIAL, tokenise
from semshare.errors import UserError
from semshare.runs import keys

PIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "東", "##京", "京", "タワー", "dog", "##s", "a", "<mask>")


def save(folder: Path, pieces: tuple[str, ...] = PIECES) -> Path:
    """A WordPiece tokenizer in ``folder`` that would cut texts off, pad them and add its own symbols."""
    tokenizer = Fast(models.WordPiece({piece: id for id, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(handle_chinese_chars=False)
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.enable_truncation(3)
    tokenizer.enable_padding(length=9)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / tokens.FILE))
    return folder


def test_words_are_the_librarys_own() -> None:
    text = "Two DOGS&amp;a cat\u2019s bowl"
    assert find("words") == OWN and OWN.cut(text) == tokenise(text) == ["two", "dogs", "a", "cat's", "bowl"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("東京 タワー の 夜", ["東京", "タワー", "の", "夜"]),
        ("A b, &amp; C-d!", ["A", "b,", "&amp;", "C-d!"]),
        (unicodedata.normalize("NFD", "Café  ดี"), ["Caf\u00e9", "ดี"]),
        ("\ta\u3000b\u2028c\u00a0d\r\ne\0f ", ["a", "b", "c", "d", "e", "f"]),  # no word is on two lines of a file
        (" ".join(["a", *SPECIAL, "b"]), ["a", "b"]),
        ("half \ud83d a pair", ["half", "?", "a", "pair"]),
        (" \n ", []),
    ],
)
def test_words_already_cut_are_parted_by_white_space_alone(text: str, words: list[str]) -> None:
    assert find("space").cut(text) == words


def test_a_tokenizers_words_are_its_pieces_and_no_more(tmp_path: Path) -> None:
    tokenizer = find(str(save(tmp_path / "mine" / "tok")))
    assert tokenizer.cut("東京\nタワー\u2028 Dogs") == ["東", "##京", "タワー", "dog", "##s"]
    assert tokenizer.cut("dog zebra <mask> dogs \ud83d") == ["dog", "dog", "##s"], "what nobody knows is left out"
    assert len(tokenizer.cut("dog " * 400)) == 400, "cut off"
    # The same as another way to read the file.
    theirs = PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "mine" / "tok" / tokens.FILE))
    text = "a dog 東京 京 dogs"
    assert tokenizer.cut(text) == theirs.tokenize(text)
    assert tokenizer.name == str(tmp_path / "mine" / "tok") and tokenizer.about == "cut by the tokenizer mine/tok"


def test_of_a_unigram_model_the_unknown_is_left_out_too(tmp_path: Path) -> None:
    model = models.Unigram([("<nothing>", 0.0), ("\u2581dog", -1.0), ("\u2581", -2.0), ("s", -3.0)], 0, False)
    tokenizer = Fast(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.save(str(tmp_path / tokens.FILE))
    assert find(str(tmp_path)).cut("dog dogs 東") == ["\u2581dog", "\u2581dog", "s", "\u2581"]


def test_a_piece_never_takes_two_lines(tmp_path: Path) -> None:
    tokenizer = Fast(models.WordLevel({"x": 0, "a\nb": 1}, unk_token="x"))
    tokenizer.normalizer = normalizers.Replace("ab", "a\nb")
    tokenizer.save(str(tmp_path / tokens.FILE))
    assert find(str(tmp_path)).cut("ab") == ["a b"]


def test_a_tokenizer_that_fails_on_a_text_is_told(tmp_path: Path) -> None:
    Fast(models.WordLevel({"x": 0}, unk_token="[UNK]")).save(str(tmp_path / tokens.FILE))
    assert find(str(tmp_path)).cut("x") == ["x"]
    with pytest.raises(UserError, match=r"^tokens: '.*' cannot cut 'y': .*[Uu][Nn][Kk]"):
        find(str(tmp_path)).cut("y")


def test_the_digest_follows_the_content_wherever_it_lies(tmp_path: Path) -> None:
    one, two = (find(str(save(tmp_path / name))) for name in ("one", "two"))
    assert one.digest == two.digest and one.name != two.name
    save(tmp_path / "two", (*PIECES, "cat"))
    assert find(str(tmp_path / "two")).digest != one.digest, "read again once the file has changed"
    assert len({OWN.digest, find("space").digest, one.digest}) == 3


def test_a_tokenizer_of_transformers_in_its_folder_is_read(tmp_path: Path) -> None:
    PreTrainedTokenizerFast(tokenizer_file=str(save(tmp_path / "one") / tokens.FILE)).save_pretrained(tmp_path / "two")
    AutoTokenizer.from_pretrained(tmp_path / "two").save_pretrained(tmp_path / "three")  # as the message says
    assert find(str(tmp_path / "three")).cut("dogs 東京") == ["dog", "##s", "東", "##京"]


@pytest.mark.parametrize("content", ["", "{}", "[1]", "null", '{"model": 3}', '{"version": "1.0"}', "\ud83d"])
def test_a_file_that_is_no_tokenizers_is_named(content: str, tmp_path: Path) -> None:
    (tmp_path / tokens.FILE).write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(UserError, match=r"tokenizer\.json(: no fast tokenizer|, line 1: byte)") as caught:
        find(str(tmp_path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("", "^note: '': no such folder, expected words, space, a folder that holds tokenizer.json, or a hub's name$"),
        ("/nowhere/at all", "^note: '/nowhere/at all': no such folder, expected words"),
        (
            "nobody/nothing",
            "^note: 'nobody/nothing': no such folder, and nothing of it in .*reached: .*hf download",
        ),
    ],
)
def test_what_is_no_tokenizer_is_told_in_one_line(name: str, expected: str) -> None:
    with pytest.raises(UserError, match=expected) as caught:  # the tests' hub is offline
        find(name, "note")
    assert "\n" not in str(caught.value)


def test_a_folder_without_its_file_says_how_to_write_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"found no tokenizer\.json in the folder {tmp_path}, .*save_pretrained"):
        find(str(tmp_path))


def test_a_hubs_tokenizer_is_read_from_its_cache_and_what_that_lacks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    cached = tmp_path / "models--someone--signs"
    save(cached / "snapshots" / "abc")
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("abc", encoding="utf-8")
    tokenizer = find("someone/signs")
    assert tokenizer.cut("dogs") == ["dog", "##s"] and tokenizer.name == tokenizer.short_name == "someone/signs"
    (cached / "snapshots" / "abc" / tokens.FILE).unlink()
    with pytest.raises(
        UserError, match=r"^tokens: 'someone/signs': .*tokenizer\.json is missing; .*hf download"
    ) as caught:
        find("someone/signs")
    assert "\n" not in str(caught.value)


# A collection prepared with them


def collection(folder: Path, texts: tuple[str, ...]) -> Path:
    """A collection with a picture a text, the last two of them dev and test."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for row, text in enumerate(texts):
        split = {len(texts) - 2: "dev", len(texts) - 1: "test"}.get(row, "train")
        Image.new("RGB", (16, 16), (40 * row, 255 - 40 * row, 90)).save(folder / f"{row}.png")
        labels = [("sky", "sea")[row % 2]]
        lines.append(json.dumps({"image": f"{row}.png", "texts": [text], "labels": labels, "split": split}))
    (folder / "rows.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


JAPANESE = ("東京 タワー の 夜", "京都 の 猫", "a dog", "東京 の dogs", "大阪")


@pytest.fixture
def japanese(tmp_path: Path, own_home: Path) -> Path:
    return collection(tmp_path / "japanese", JAPANESE)


def test_scripts_without_spaces_are_told_at_prepare_and_show_with_the_way_out(
    japanese: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = "  note: 4 of 5 texts hold scripts that put no spaces between words (Han, Hiragana, Katakana): "
    for arguments in (("prepare", "custom", "--root", japanese), ("show", "custom")):
        assert run(monkeypatch, "data", *arguments) == 0
        (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith(told)]
        assert "--tokens space" in line and "--tokens FOLDER_OR_NAME" in line
        assert run(monkeypatch, "data", *arguments, "--tokens", "space") == 0
        assert "put no spaces" not in capsys.readouterr().out
        assert run(monkeypatch, "data", "prepare", "custom", "--tokens", "words") == 0
        capsys.readouterr()


@pytest.mark.slow
def test_training_tells_it_too_and_so_does_the_data_card(
    japanese: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = "4 of 5 texts hold scripts that put no spaces between words (Han, Hiragana, Katakana): "
    command = ("train", "--dataset", "custom", "--root", japanese, "--method", "linear", "--scale", "smoke")
    for _ in range(2):  # also where the run is found
        assert run(monkeypatch, *command) == 0
        assert capsys.readouterr().out.count(f"  note: {told}") == 1
    assert run(monkeypatch, *command, "--json") == 0
    assert [note for note in json.loads(capsys.readouterr().out)["notes"] if note.startswith(told)]
    (card,) = own_home.glob("runs/*/DATA_CARD.md")
    assert told in card.read_text(encoding="utf-8")
    assert run(monkeypatch, *command, "--tokens", "space") == 0
    assert "put no spaces" not in capsys.readouterr().out


def test_what_was_prepared_with_is_taken_where_nothing_is_said(japanese: Path, own_home: Path, tmp_path: Path) -> None:
    note, said = own_home / "data" / "custom.tokens", []
    prepare.prepare("custom", japanese, say=said.append)
    assert not note.exists() and runs.plan("custom", "ours").tokens == "words"
    plain = catalogue.load("custom", "smoke")
    made = prepare.prepare("custom", tokens="space", say=said.append)
    assert said[-1] == "custom: tokens 'space' are taken from now on where none are named"
    assert note.read_text(encoding="utf-8") == "space\n" and made["tokens"] == "space"
    assert runs.plan("custom", "ours").tokens == prepare.describe("custom")["tokens"] == "space"
    assert runs.plan("custom", "ours", tokens="words").tokens == "words"
    spaced = catalogue.load("custom", "smoke")
    assert {"東京", "の", "タワー"} <= set(spaced.vocabulary.words) and spaced.tokenizer.name == "space"
    assert spaced.checksum != plain.checksum == catalogue.load("custom", "smoke", tokens="words").checksum
    folder = save(tmp_path / "tok")
    prepare.prepare("custom", tokens=os.path.relpath(folder), say=said.append)
    assert note.read_text(encoding="utf-8") == f"{folder}\n" and runs.plan("custom", "ours").tokens == str(folder)
    assert set(catalogue.load("custom", "smoke").vocabulary.words) == {*SPECIAL, "東", "##京", "タワー", "a", "dog"}
    (folder / tokens.FILE).unlink()
    with pytest.raises(UserError, match=rf"^{note}: tokens: found no tokenizer\.json in the folder {folder}"):
        runs.plan("custom", "ours")
    prepare.prepare("custom", tokens="words", say=said.append)  # what is said goes before a note that is stale
    assert runs.plan("custom", "ours").tokens == "words"


def test_a_tokenizer_that_finds_no_word_is_told_before_regions_are_extracted(japanese: Path, tmp_path: Path) -> None:
    folder = save(tmp_path / "tok", ("[PAD]", "[UNK]", "x"))
    with pytest.raises(
        UserError, match=r"^custom: no word in the 3 texts to train on, .* cut by the tokenizer .*/tok$"
    ):
        prepare.prepare("custom", japanese, tokens=str(folder))
    assert not list((tmp_path / "home").glob("regions/*/index.json"))
    assert not list((tmp_path / "home").glob("data/*.tokens"))


def test_a_tokenizer_that_is_not_there_is_told_before_anything_is_opened(
    own_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (("data", "prepare", "custom"), ("data", "show", "custom"), ("train", "--dataset", "custom")):
        assert run(monkeypatch, *command, "--tokens", "/nowhere") == 2
        shown = capsys.readouterr()
        assert shown.err.startswith("error: tokens: '/nowhere': no such folder") and shown.err.count("\n") == 1


def test_a_generated_dataset_remembers_no_tokens(own_home: Path) -> None:
    assert catalogue.note_file("scenes-coco1k", "tokens") is None and catalogue.tokens_of("scenes-coco1k") == OWN


def test_in_a_key_is_what_a_tokenizer_holds_and_not_where_it_lies(japanese: Path, tmp_path: Path) -> None:
    planned = {"words": runs.plan("custom", "ours", root=japanese)}
    for name in ("one", "two"):
        planned[name] = runs.plan("custom", "ours", root=japanese, tokens=str(save(tmp_path / name)))
    planned["space"] = runs.plan("custom", "ours", root=japanese, tokens="space")
    assert len({json.dumps(keys.training_fields(one)) for one in planned.values()}) == 1
    sums = {
        name: catalogue.load("custom", "smoke", japanese, tokens=one.tokens).checksum for name, one in planned.items()
    }
    made = {name: keys.parts(one, sums[name]) for name, one in planned.items()}
    assert made["one"] == made["two"] and "tokenizers" in made["one"], "the library that cuts counts"
    assert not {"tokenizers"} & (made["words"].keys() | made["space"].keys())
    assert sums["one"] == sums["two"] and len(set(sums.values())) == 3


def test_a_tokens_choice_is_shown_with_the_texts(
    japanese: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("data", "show", "custom", "--root", japanese, "--texts", 5)
    assert run(monkeypatch, *arguments, "--tokens", "space") == 0
    shown = capsys.readouterr().out
    assert (
        "  tokens space\n" in shown and "    words: [東京]" not in shown and "    words: 東京 タワー の 夜\n" in shown
    )
    assert "    words: [大阪]\n" in shown
    assert run(monkeypatch, *arguments, "--json") == 0
    assert json.loads(capsys.readouterr().out)["tokens"] == "words"
