"""How texts are cut into words: by this library's rule, at white space alone, or by a tokenizer of others."""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from semshare.data.words import SPECIAL, tokenise
from semshare.errors import UserError
from semshare.utils import hub
from semshare.utils.text_files import read_text
from semshare.utils.texts import composed

if TYPE_CHECKING:
    import tokenizers

WORDS, SPACE = "words", "space"
FILE = "tokenizer.json"

_HUB_ID = re.compile(r"([\w-][\w.-]*/)?[\w-][\w.-]*")


@dataclass(frozen=True)
class Tokenizer:
    """How texts are cut into words; two of one name and content cut alike.

    Attributes:
        name: ``words`` (:func:`semshare.data.words.tokenise`), ``space`` (words already cut: nothing but white space
            separates them), or the folder or the hub's name of a fast tokenizer of Hugging Face.
        content: that tokenizer's ``tokenizer.json``; empty for the first two.
    """

    name: str = WORDS
    content: str = ""

    @property
    def digest(self) -> str:
        """sha256 of what decides where texts are cut, wherever it lies."""
        return hashlib.sha256((self.content or self.name).encode()).hexdigest()

    @property
    def short_name(self) -> str:
        """The last two parts of a folder's or hub's name, without the place where it lies."""
        return "/".join(Path(self.name).parts[-2:])

    @property
    def about(self) -> str:
        """How texts are cut, for readers."""
        if self.content:
            return f"cut by the tokenizer {self.short_name}"
        return "cut at white space alone" if self.name == SPACE else "cut by semshare's own rule"

    def cut(self, text: str) -> list[str]:
        """The words of ``text``, none of them empty, of two lines, or one of ``SPECIAL``.

        A tokenizer adds none of its own symbols and cuts nothing off; pieces that it does not know are left out.

        Raises:
            UserError: a tokenizer that cannot read ``text``.
        """
        if self.name == WORDS:
            return tokenise(text)
        # Half a surrogate pair is no character, and a file of lines can hold no zero byte.
        text = text.encode("utf-8", "replace").decode().replace("\0", " ")
        if self.name == SPACE:
            return [word for word in composed(text).split() if word not in SPECIAL]
        tokenizer, unknown = self._loaded
        try:
            pieces = tokenizer.encode(" ".join(text.split()), add_special_tokens=False)
        except Exception as error:  # the library raises plain exceptions, e.g. where its unknown word is in no list
            raise UserError(f"tokens: {self.short_name!r} cannot cut {text[:60]!r}: {_first_line(error)}") from None
        known = (piece for piece, id in zip(pieces.tokens, pieces.ids, strict=True) if id != unknown)
        words = (" ".join(piece.split()) for piece in known)
        return [word for word in words if word and word not in SPECIAL]

    @cached_property
    def _loaded(self) -> tuple[tokenizers.Tokenizer, int | None]:
        """The tokenizer, and its id for what it does not know."""
        from tokenizers import Tokenizer as Fast

        tokenizer = Fast.from_str(self.content)
        tokenizer.no_truncation()
        tokenizer.no_padding()
        model = json.loads(tokenizer.to_str())["model"]
        name = model.get("unk_token")
        # A Unigram model has a number and writes what it does not know as it stands, the others have a name.
        return tokenizer, model.get("unk_id") if name is None else tokenizer.token_to_id(name)

    def check(self, where: object) -> None:
        """Raise :class:`UserError`, which begins with ``where``, for a content that no tokenizer has."""
        if self.name not in (WORDS, SPACE):
            try:
                self._loaded  # noqa: B018 - loading is the check
            except Exception as error:  # the library raises plain exceptions
                raise UserError(f"{where}: no fast tokenizer of Hugging Face: {_first_line(error)}") from None


OWN = Tokenizer()


def find(tokens: str, where: str = "tokens") -> Tokenizer:
    """The tokenizer that ``tokens`` names: ``words``, ``space``, a folder that holds ``tokenizer.json``, a hub's name.

    Raises:
        UserError: none of them, or a file that is no tokenizer; the line begins with ``where``.
    """
    if tokens in (WORDS, SPACE):
        return Tokenizer(tokens)
    name = str(Path(tokens).resolve()) if tokens and Path(tokens).is_dir() else tokens
    path = _file(name, where)
    state = path.stat()
    return _read(name, path, state.st_size, state.st_mtime_ns)


def _file(name: str, where: str) -> Path:
    """The ``tokenizer.json`` of a folder or of a hub's tokenizer, fetched where it is not at hand."""
    expected = f"expected {WORDS}, {SPACE}, a folder that holds {FILE}, or a hub's name"
    if name and Path(name).is_dir():
        path = Path(name) / FILE
        if path.is_file():
            return path
        raise UserError(
            f"{where}: found no {FILE} in the folder {name}, {expected}; transformers writes it with "
            "AutoTokenizer.from_pretrained(NAME).save_pretrained(FOLDER)"
        )
    if not _HUB_ID.fullmatch(name):
        raise UserError(f"{where}: {name!r}: no such folder, {expected}")
    from huggingface_hub import hf_hub_download

    with suppress(Exception):  # what was fetched before is not asked for again
        return Path(hf_hub_download(name, FILE, local_files_only=True))
    try:
        return Path(hf_hub_download(name, FILE, **hub.where_to_look()))
    except Exception as error:  # no network, no such name, no access, no such file
        if absent := hub.absent(name):
            raise UserError(f"{where}: {name!r}: no such folder, and {absent}") from None
        reason = hub.lacks(name, [[FILE]]) or _first_line(error)
        raise UserError(
            f"{where}: {name!r}: no such folder, and not to be had from the hub: {reason}; {expected}"
        ) from None


@lru_cache(maxsize=4)
def _read(name: str, path: Path, size: int, time: int) -> Tokenizer:
    """The tokenizer at ``path``, read once while the file keeps its size and time."""
    tokenizer = Tokenizer(name, read_text(path))
    tokenizer.check(path)
    return tokenizer


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), "") or type(error).__name__
