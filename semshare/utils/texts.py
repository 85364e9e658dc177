"""Text as Unicode has it, whichever way it was written."""

from __future__ import annotations

import unicodedata


def composed(text: str) -> str:
    """``text`` with each accent a part of its letter where Unicode has such a letter (NFC): equal texts, equal strings.

    macOS and some editors write the accent after its letter (NFD); what one reads is the same.
    """
    return text if text.isascii() else unicodedata.normalize("NFC", text)
