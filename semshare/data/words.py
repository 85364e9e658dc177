"""Words: tokenising a text, the vocabulary, and Word2Vec vectors trained on the training texts alone."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from html import unescape
from html.entities import html5
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np
import regex

from semshare.utils.files import ReadOnlyError, atomic_write, file_lock
from semshare.utils.home import cache_folder, home
from semshare.utils.source import code_digest
from semshare.utils.texts import composed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

PAD, START, END, UNK, MASK = "<pad>", "<start>", "<end>", "<unk>", "<mask>"
SPECIAL = (PAD, START, END, UNK, MASK)
MAX_LENGTH = 150  # the supplementary's maximum sequence length, <start> and <end> included

# Letters and digits with the marks and joiners that belong to them. Inside a word stand an apostrophe, the quotation
# mark of Hebrew abbreviations and the middle dot of Catalan's l·l.
_LETTER = r"[\p{L}\p{N}][\p{L}\p{N}\p{Mn}\p{Mc}\u200c\u200d]*"
_WORD = regex.compile(rf"""{_LETTER}(?:(?:'|(?<=\p{{Hebrew}})"(?=\p{{Hebrew}})|(?<=l)·(?=l)){_LETTER})*""")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_ALIKE = {mark: "'" for mark in "\u2018\u2019\u201b\u02bb\u02bc\uff07\u05f3"} | {"\u05f4": '"'}
_UNSEEN = "\u00ad\u061c\u180e\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufe00-\ufe0f\ufeff"
_IGNORED = regex.compile(f"[{_UNSEEN}\U000e0100-\U000e01ef]")  # soft hyphens, marks of direction, variants of a glyph


def tokenise(text: str) -> list[str]:
    """The lower-cased words of ``text``; an apostrophe inside a word stays, other punctuation separates.

    Equal words are equal strings however they were typed: letters are composed (NFC), HTML entities decoded once, curly
    apostrophes made straight, and what cannot be seen (soft hyphens, marks of direction) left out. Combining marks stay
    with their letter. Where a script has no spaces, a word is what stands between two spaces.
    """
    text = _ENTITY.sub(lambda match: _decoded(match[0]), text).lower()
    if not text.isascii():
        # Python writes a Turkish capital's dot as a mark of its own; what is meant is an i.
        text = composed(_IGNORED.sub("", text)).replace("i\u0307", "i").translate(str.maketrans(_ALIKE))
    return _WORD.findall(text)


def _decoded(entity: str) -> str:
    """What an HTML entity stands for; ``&D;`` of ``R&D;`` is none and stays."""
    known = entity[1] == "#" or entity[1:] in html5
    return unescape(entity) if known else entity


@dataclass(frozen=True)
class Vocabulary:
    """Words with their ids; the first five are ``<pad> <start> <end> <unk> <mask>``."""

    words: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.words[: len(SPECIAL)] != SPECIAL:
            raise ValueError(f"a vocabulary begins with {SPECIAL}, found {self.words[: len(SPECIAL)]}")
        object.__setattr__(self, "_ids", {word: id for id, word in enumerate(self.words)})

    @classmethod
    def build(cls, texts: Iterable[Sequence[str]], min_count: int = 1) -> Vocabulary:
        """The words seen at least ``min_count`` times in tokenised ``texts``: frequent first, then a to z."""
        counts = Counter(word for text in texts for word in text)
        kept = [word for word, count in counts.items() if count >= min_count]
        return cls(SPECIAL + tuple(sorted(kept, key=lambda word: (-counts[word], word))))

    def __len__(self) -> int:
        return len(self.words)

    def encode(self, words: Sequence[str]) -> list[int]:
        """``<start>``, the ids of ``words`` (unknown ones as ``<unk>``), ``<end>``: at most 150 ids."""
        ids: dict[str, int] = self._ids  # type: ignore[attr-defined]
        unknown = ids[UNK]
        body = [ids.get(word, unknown) for word in words[: MAX_LENGTH - 2]]
        return [ids[START], *body, ids[END]]


def words_code() -> str:
    """The digest of the code that trains word vectors."""
    return code_digest(__name__)


def word_vectors(texts: list[list[str]], vocabulary: Vocabulary, seed: int) -> np.ndarray:
    """Word2Vec vectors, cached by all that they are made from; who may only read the cache trains them for himself."""
    parts = [texts, vocabulary.words, seed, version("gensim")]
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
    path = home() / "words" / f"{digest}-{words_code()}.npy"
    vectors = _kept_vectors(path)
    if vectors is not None:
        return vectors
    with suppress(ReadOnlyError), file_lock(cache_folder("words") / f"{path.name}.lock"):
        vectors = _kept_vectors(path)  # another process may have been faster
        if vectors is None:
            vectors = train_word2vec(texts, vocabulary, seed)
            with atomic_write(path) as part, open(part, "wb") as file:
                np.save(file, vectors)
    return train_word2vec(texts, vocabulary, seed) if vectors is None else vectors


def _kept_vectors(path: Path) -> np.ndarray | None:
    """The vectors at ``path``; None where there are none, or where a power cut left something else."""
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None


def train_word2vec(
    texts: Sequence[Sequence[str]], vocabulary: Vocabulary, seed: int, size: int = 300, epochs: int = 20
) -> np.ndarray:
    """Word2Vec vectors [V, size] float32 for ``vocabulary``, trained on tokenised training ``texts``.

    One worker, because gensim's result depends on how several of them interleave. ``<pad>`` is zero; the
    other special words, and any word gensim dropped, are drawn from a normal of the trained vectors' spread.
    """
    from gensim.models import Word2Vec  # takes a second to import, and only training needs it

    model = Word2Vec(
        [list(text) for text in texts],
        vector_size=size,
        window=5,
        min_count=1,
        sg=1,
        epochs=epochs,
        seed=seed,
        workers=1,
        hashfxn=_stable_hash,
    )
    spread = float(model.wv.vectors.std())
    vectors = np.random.default_rng(seed).normal(0, spread, (len(vocabulary), size)).astype(np.float32)
    for id, word in enumerate(vocabulary.words):
        if word in model.wv:
            vectors[id] = model.wv[word]
    vectors[0] = 0
    return vectors


def _stable_hash(text: str) -> int:
    """A hash that does not change with PYTHONHASHSEED: gensim seeds each word's first vector with it."""
    value = 2166136261
    for byte in text.encode():
        value = (value ^ byte) * 16777619 & 0xFFFFFFFF
    return value
