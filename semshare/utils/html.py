"""HTML and SVG with which objects show themselves in a notebook: strangers' words escaped, in the colours of its theme.

A block is a text of markup; what is handed to a function is plain text unless it is said to be markup.
"""

from __future__ import annotations

import base64
import io
from html import escape
from math import isfinite
from typing import TYPE_CHECKING

from semshare.utils.progress import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from PIL import Image

_HEIGHT = 96  # pixels of a thumbnail; it is kept half as large again, for dense screens
_WIDEST = 240  # characters of a stranger's text that are shown
_WIDTH, _TALL, _EDGE = 240, 80, 5  # pixels of a drawn curve, and what is free around it
LABEL, SCORE, NOTE = "label", "score", "note"  # how a text is set

# Colours of images and of texts: those of light pages, then those of dark ones. JupyterLab and the book say which they
# are; where nobody does, the system does. Everything else takes the colours that are there.
_LIGHT = "--semshare-image:#1565c0;--semshare-text:#a3460a"
_DARK = "--semshare-image:#8ab4f8;--semshare-text:#f0b45a"
_LINE = "var(--jp-border-color2,var(--pst-color-border,rgba(128,128,128,.45)))"
_QUIET = "var(--jp-content-font-color2,var(--pst-color-text-muted,inherit))"
STYLE = f"""<style>
.semshare-shown{{{_LIGHT};color:var(--jp-content-font-color1,inherit);font-size:.92em;line-height:1.45;max-width:60em}}
@media (prefers-color-scheme:dark){{.semshare-shown{{{_DARK}}}}}
[data-jp-theme-light="true"] .semshare-shown,[data-theme="light"] .semshare-shown{{{_LIGHT}}}
[data-jp-theme-light="false"] .semshare-shown,[data-theme="dark"] .semshare-shown{{{_DARK}}}
.semshare-shown .row{{display:flex;flex-wrap:wrap;gap:.6em 1em;margin:.5em 0;align-items:flex-start}}
.semshare-shown figure{{margin:0;max-width:{_WIDTH}px;overflow-wrap:anywhere}}
.semshare-shown figure img{{height:{_HEIGHT}px;max-width:100%;object-fit:contain;display:block;border-radius:3px}}
.semshare-shown .none{{height:{_HEIGHT}px;width:{_HEIGHT}px;border:1px dashed {_LINE};overflow:hidden}}
.semshare-shown .label{{border:1px solid {_LINE};border-radius:3px;padding:0 .35em}}
.semshare-shown .score{{font-weight:600}}
.semshare-shown .note{{color:{_QUIET}}}
.semshare-shown table{{border-collapse:collapse;margin:.5em 0;font-size:inherit}}
.semshare-shown.semshare-shown th,.semshare-shown.semshare-shown td{{border-bottom:1px solid {_LINE};
padding:.15em .7em .15em 0;text-align:left;vertical-align:top;background:none;overflow-wrap:break-word}}
.semshare-shown th{{font-weight:600}}
.semshare-shown svg{{display:block;max-width:100%;border-left:1px solid {_LINE};border-bottom:1px solid {_LINE}}}
.semshare-shown polyline{{fill:none;stroke:currentColor;stroke-width:2}}
.semshare-shown polyline.kept{{stroke-width:1;opacity:.5}}
.semshare-shown polyline.text{{stroke-dasharray:5 3}}
.semshare-shown circle{{fill:currentColor}}
.semshare-shown .image{{color:var(--semshare-image)}}
.semshare-shown .text{{color:var(--semshare-text)}}
</style>"""


def text(value: object, kind: str = "") -> str:
    """``value`` as markup that shows just that, cut where it is long; ``kind`` is how it is set."""
    plain = printable(str(value))
    shown = escape(plain if len(plain) <= _WIDEST else f"{plain[:_WIDEST]}…")
    # A text that runs from right to left stays within its own bounds.
    return f'<bdi class="{kind}">{shown}</bdi>' if kind else f"<bdi>{shown}</bdi>"


def shown(title: str, *blocks: str) -> str:
    """A whole display: its ``title``, if it has one, then the blocks, which are markup."""
    head = f"<strong>{text(title)}</strong>" if title else ""
    return f'<div class="semshare-shown">{STYLE}{head}{"".join(blocks)}</div>'


def paragraph(*parts: str) -> str:
    """Parts that are markup, one after the other."""
    return f"<div>{' '.join(parts)}</div>"


def labels(names: Iterable[str]) -> str:
    """The names of labels, each in a box."""
    return " ".join(text(name, LABEL) for name in names) or text("no label", NOTE)


def facts(told: Mapping[str, object]) -> str:
    """Names and what is told of them, one a line."""
    rows = (f'<tr><th scope="row">{text(name)}</th><td>{text(value)}</td></tr>' for name, value in told.items())
    return f"<table>{''.join(rows)}</table>"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; the first cell of each row names it."""
    top = "".join(f'<th scope="col">{text(name)}</th>' for name in head)
    body = (
        f'<tr><th scope="row">{text(first)}</th>{"".join(f"<td>{text(cell)}</td>" for cell in rest)}</tr>'
        for first, *rest in rows
    )
    return f"<table><tr>{top}</tr>{''.join(body)}</table>"


def folded(title: str, *blocks: str) -> str:
    """Blocks of markup that are shown when somebody asks."""
    return f"<details><summary>{text(title)}</summary>{''.join(blocks)}</details>"


def row(blocks: Iterable[str]) -> str:
    """Blocks of markup side by side."""
    return f'<div class="row">{"".join(blocks)}</div>'


def picture(image: Image.Image | str, alt: str, caption: str) -> str:
    """A thumbnail with a ``caption`` that is markup; in the place of an image, a text says why there is none."""
    if isinstance(image, str):
        return f'<figure><div class="none">{text(image, NOTE)}</div><figcaption>{caption}</figcaption></figure>'
    source = f"data:image/jpeg;base64,{base64.b64encode(_thumbnail(image)).decode()}"
    return f'<figure><img src="{source}" alt="{escape(printable(alt))}"><figcaption>{caption}</figcaption></figure>'


def _thumbnail(image: Image.Image) -> bytes:
    """A small JPEG of the pixels alone: no EXIF, which may say where a photograph was taken."""
    from PIL import Image

    small = image.convert("RGB")
    small.thumbnail((3 * _HEIGHT, 3 * _HEIGHT // 2))
    plain, file = Image.new("RGB", small.size), io.BytesIO()
    plain.paste(small)
    plain.save(file, "JPEG", quality=75, optimize=True)
    return file.getvalue()


def curve(title: str, lines: Mapping[str, Sequence[float]], kept: int | None = None) -> str:
    """A drawing of ``lines`` by name, one value an epoch from 1, that of a text dashed; ``kept`` marks an epoch.

    What it shows is said below it in words: a notebook that is not trusted shows no drawing. Values that are not finite
    are left out.
    """
    values = [value for line in lines.values() for value in line if isfinite(value)]
    if not values:
        return ""
    low, high, count = min(values), max(values), max(map(len, lines.values()))

    def at(epoch: int, value: float) -> str:
        x, y = (epoch - 1) / max(1, count - 1), (value - low) / ((high - low) or 1)
        return f"{_EDGE + (_WIDTH - 2 * _EDGE) * x:.1f},{_TALL - _EDGE - (_TALL - 2 * _EDGE) * y:.1f}"

    drawn, told = [], []
    if kept is not None:
        drawn.append(f'<polyline class="kept" points="{at(kept, low)} {at(kept, high)}"/>')
    for name, line in lines.items():
        points = [at(epoch, value) for epoch, value in enumerate(line, 1) if isfinite(value)]
        kind = "text" if name == "text" else "image"
        drawn.append(f'<polyline class="{kind}" points="{" ".join(points)}"/>')
        dots = [points[0], points[-1]] if points else []
        drawn += ['<circle class="{}" cx="{}" cy="{}" r="3"/>'.format(kind, *dot.split(",")) for dot in dots]
        if line:
            told.append(f'<span class="{kind}">{text(name)} {line[0]:.3f} → {line[-1]:.3f}</span>')
    size = f'width="{_WIDTH}" height="{_TALL}" viewBox="0 0 {_WIDTH} {_TALL}"'
    svg = f'<svg aria-hidden="true" {size}>{"".join(drawn)}</svg>'
    epochs = f"{count} epochs" if kept is None else f"epoch {kept} of {count} kept"
    head = "" if list(lines) == [title] else f"{text(title)}: "
    return f"<figure>{svg}<figcaption>{head}{', '.join(told)}; {text(epochs, NOTE)}</figcaption></figure>"
