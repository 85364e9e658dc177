"""Tokens, vocabulary and Word2Vec."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest

import semshare
from semshare.data.scenes.source import ScenesSource
from semshare.data.source import Item
from semshare.data.words import MAX_LENGTH, SPECIAL, Vocabulary, tokenise, train_word2vec
from semshare.utils.home import cache_folder


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A man's dog, running!", ["a", "man's", "dog", "running"]),
        ("black-and-white  photo", ["black", "and", "white", "photo"]),
        ("'quoted' rock'n'roll", ["quoted", "rock'n'roll"]),
        ("50mm f/1.8 snake_case", ["50mm", "f", "1", "8", "snake", "case"]),
        ("Crème BRÛLÉE 東京", ["crème", "brûlée", "東京"]),
        (" ,.;! ", []),
        ("", []),
    ],
)
def test_tokenise(text: str, words: list[str]) -> None:
    assert tokenise(text) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("हिन्दी की किताब", ["हिन्दी", "की", "किताब"]),
        (unicodedata.normalize("NFD", "Crème brûlée à côté"), ["crème", "brûlée", "à", "côté"]),
        ("İSTANBUL İzmir", ["istanbul", "izmir"]),
        (unicodedata.normalize("NFD", "İzmir"), ["izmir"]),
        ("the man’s dog, the man's dog", ["the", "man's", "dog"] * 2),
        ("Hawaiʻi Hawai‘i Hawai'i ‘quoted’", ["hawai'i"] * 3 + ["quoted"]),
        ("Tom &amp; the dog&#39;s caf&eacute; &lt;3", ["tom", "the", "dog's", "café", "3"]),
        ("&amp;eacute; R&D; AT&T", ["eacute", "r", "d", "at", "t"]),  # decoded once; what is no entity stays
        ("שָׁלוֹם עולם צה״ל", ["שָׁלוֹם", "עולם", 'צה"ל']),
        ("كَلْبٌ صغير", ["كَلْبٌ", "صغير"]),
        ("می\u200cخواهم", ["می\u200cخواهم"]),
        ("भारतीय क्\u200dष", ["भारतीय", "क्\u200dष"]),
        ("สวัสดี ชาวโลก", ["สวัสดี", "ชาวโลก"]),
        ("Wör\u00adter \u200fabc\u200e", ["wörter", "abc"]),
        ("col·lecció a·b", ["col·lecció", "a", "b"]),
        ("1\ufe0f\u20e3 ❤️ dog", ["1", "dog"]),
    ],
    ids=ascii,
)
def test_words_are_as_unicode_has_them(text: str, words: list[str]) -> None:
    assert tokenise(text) == [unicodedata.normalize("NFC", word) for word in words]


def test_ascii_texts_have_the_words_they_had() -> None:
    before = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
    drawn = [text for view in ("flickr25k", "nuswide", "coco") for item in _drawn(view) for text in item.texts]
    tags = Path(os.environ.get("SEMSHARE_DATA", "")) / "flickr25k" / "all_tags.txt"
    real = tags.read_text(encoding="utf-8").splitlines() if tags.exists() else []
    assert len(drawn) > 300
    for text in [*drawn, *real, "rock'n'roll f/1.8 snake_case 'a' it''s A-b &c &;"]:
        if text.isascii():
            assert tokenise(text) == before.findall(text.lower())


def _drawn(view: str) -> list[Item]:
    return ScenesSource.at(view, "smoke", cache_folder("scenes")).items()


def test_vocabulary_is_specials_then_frequent_first_then_alphabetical() -> None:
    vocabulary = Vocabulary.build([["dog", "cat", "cat"], ["bee", "cat", "dog", "ant"]])
    assert vocabulary.words == (*SPECIAL, "cat", "dog", "ant", "bee")
    assert len(vocabulary) == 9
    assert SPECIAL == ("<pad>", "<start>", "<end>", "<unk>", "<mask>")


def test_vocabulary_leaves_rare_words_out() -> None:
    texts = [["dog", "cat"], ["cat"], ["cat", "dog"]]
    assert Vocabulary.build(texts, min_count=3).words == (*SPECIAL, "cat")


def test_vocabulary_does_not_depend_on_the_order_of_texts() -> None:
    texts = [["dog", "cat"], ["bee"], ["cat", "ant"]]
    assert Vocabulary.build(texts) == Vocabulary.build(texts[::-1])


def test_vocabulary_must_begin_with_the_special_words() -> None:
    with pytest.raises(ValueError, match="a vocabulary begins with"):
        Vocabulary(("cat", "dog"))


def test_encode_frames_the_words_and_names_unknown_ones() -> None:
    vocabulary = Vocabulary.build([["cat", "cat", "dog"]])
    assert vocabulary.encode(["dog", "wolf", "cat"]) == [1, 6, 3, 5, 2]
    assert vocabulary.encode([]) == [1, 2]


@pytest.mark.parametrize("length", [147, 148, 149, 500])
def test_encode_ends_with_end_after_at_most_150_ids(length: int) -> None:
    vocabulary = Vocabulary.build([["cat"]])
    ids = vocabulary.encode(["cat"] * length)
    assert MAX_LENGTH == 150
    assert len(ids) == min(length + 2, 150)
    assert ids[0] == 1 and ids[-1] == 2 and set(ids[1:-1]) == {5}


_TEXTS = [["cat", "dog", f"word{number}"] for number in range(40)] * 3


def test_word2vec_rows() -> None:
    vocabulary = Vocabulary.build([*_TEXTS, ["never-trained"]])
    vectors = train_word2vec(_TEXTS, vocabulary, seed=0, size=16, epochs=2)
    assert vectors.shape == (len(vocabulary), 16) and vectors.dtype == np.float32
    assert not vectors[0].any(), "<pad> is zero"
    assert np.isfinite(vectors).all() and (np.abs(vectors[1:]).sum(1) > 0).all()
    assert not np.array_equal(vectors, train_word2vec(_TEXTS, vocabulary, seed=1, size=16, epochs=2))


def test_word2vec_puts_words_of_like_company_together() -> None:
    # Two circles of forty words; many of them, since gensim drops most occurrences of very frequent words.
    rng = np.random.default_rng(0)
    texts = [[f"{'ab'[n % 2]}{word}" for word in rng.choice(40, 6, replace=False)] for n in range(1200)]
    vocabulary = Vocabulary.build(texts)
    vectors = train_word2vec(texts, vocabulary, seed=0, size=16, epochs=10)[5:]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    first = np.array([word.startswith("a") for word in vocabulary.words[5:]])
    within, between = vectors[first] @ vectors[first].T, vectors[first] @ vectors[~first].T
    assert within.mean() > between.mean() + 0.2


def test_word2vec_is_the_same_in_two_processes() -> None:
    code = (
        "import hashlib\n"
        "from semshare.data.words import Vocabulary, train_word2vec\n"
        "texts = [['cat', 'dog', f'word{number}'] for number in range(40)] * 3\n"
        "vectors = train_word2vec(texts, Vocabulary.build(texts), 0, 16, 2)\n"
        "print(hashlib.sha256(vectors.tobytes()).hexdigest())"
    )
    here = train_word2vec(_TEXTS, Vocabulary.build(_TEXTS), 0, 16, 2)
    found = {hashlib.sha256(here.tobytes()).hexdigest()}
    root = str(Path(semshare.__file__).parent.parent)
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": root}
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
            encoding="utf-8",
        )
        found.add(done.stdout.strip())
    assert len(found) == 1
