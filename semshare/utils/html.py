"""HTML and SVG with which objects show themselves in a notebook: strangers' words escaped, in the colours of its theme.

A block is a text of markup; what is handed to a function is plain text unless it is said to be markup.
"""

from __future__ import annotations

import base64
import io
from html import escape
from typing import TYPE_CHECKING

from semshare.utils.progress import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from PIL import Image

_HEIGHT = 96  # pixels of a thumbnail, at twice that where it is kept, for dense screens
_WIDEST = 240  # characters of a stranger's text that are shown
_WIDTH, _TALL, _MARGIN = 300, 110, 30  # of a drawn curve
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
.semshare-shown figure{{margin:0;max-width:13em;overflow-wrap:anywhere}}
.semshare-shown figure img{{height:{_HEIGHT}px;max-width:100%;object-fit:contain;display:block;border-radius:3px}}
.semshare-shown .none{{height:{_HEIGHT}px;width:{_HEIGHT}px;border:1px dashed {_LINE};overflow:hidden}}
.semshare-shown .label{{border:1px solid {_LINE};border-radius:3px;padding:0 .35em}}
.semshare-shown .score{{font-weight:600}}
.semshare-shown .note{{color:{_QUIET}}}
.semshare-shown table{{border-collapse:collapse;margin:.5em 0;font-size:inherit}}
.semshare-shown th,.semshare-shown td{{border-bottom:1px solid {_LINE};padding:.15em .7em .15em 0;
text-align:left;vertical-align:top;background:none;overflow-wrap:anywhere}}
.semshare-shown th{{font-weight:600}}
.semshare-shown svg{{display:block;max-width:100%;overflow:visible}}
.semshare-shown svg text{{fill:currentColor;font-size:11px}}
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
    small.thumbnail((4 * _HEIGHT, 2 * _HEIGHT))
    plain, file = Image.new("RGB", small.size), io.BytesIO()
    plain.paste(small)
    plain.save(file, "JPEG", quality=75, optimize=True)
    return file.getvalue()


def curve(title: str, lines: Mapping[str, Sequence[float]], kept: int | None = None) -> str:
    """A drawing of ``lines`` by name, one value an epoch from 1, those of texts dashed; ``kept`` marks an epoch.

    Values that are not finite are left out.
    """
    values = [value for line in lines.values() for value in line if _finite(value)]
    if not values:
        return ""
    low, high, count = min(values), max(values), max(map(len, lines.values()))
    right, bottom = _WIDTH - 64, _TALL - 18
    step = (right - _MARGIN) / max(1, count - 1)

    def at(epoch: int, value: float) -> tuple[float, float]:
        return _MARGIN + step * epoch, bottom - (bottom - 18) * (value - low) / ((high - low) or 1)

    parts = [f'<line x1="{_MARGIN}" y1="{bottom}" x2="{right}" y2="{bottom}" stroke="currentColor" opacity=".4"/>']
    if kept is not None:
        x, _ = at(kept - 1, low)
        parts.append(f'<line x1="{x:.1f}" y1="18" x2="{x:.1f}" y2="{bottom}" stroke="currentColor" opacity=".4"/>')
    ends: list[float] = []
    for name, line in lines.items():
        points = [at(epoch, value) for epoch, value in enumerate(line) if _finite(value)]
        colour = "var(--semshare-text)" if name == "text" else "var(--semshare-image)"
        dashed = ' stroke-dasharray="5 3"' if name == "text" else ""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dashed}/>')
        if len(points) == 1:
            parts.append(f'<circle cx="{points[0][0]:.1f}" cy="{points[0][1]:.1f}" r="3" fill="{colour}"/>')
        if points and len(lines) > 1:
            end = points[-1][1]
            y = next((y for y in (end, end + 12, end - 12) if all(abs(y - other) >= 11 for other in ends)), end)
            ends.append(y)
            parts.append(
                f'<text x="{points[-1][0] + 5:.1f}" y="{y + 4:.1f}" style="fill:{colour}">{text_in(name)}</text>'
            )
    for value, y in ((high, 22), (low, bottom)):
        parts.append(f'<text x="{_MARGIN - 4}" y="{y}" text-anchor="end">{value:.2f}</text>')
    parts.append(f'<text x="{_MARGIN}" y="10">{text_in(title)}</text>')
    parts.append(f'<text x="{_MARGIN}" y="{_TALL - 4}">1</text>')
    parts.append(f'<text x="{right}" y="{_TALL - 4}" text-anchor="end">epoch {count}</text>')
    told = "; ".join(f"{name} from {line[0]:.3f} to {line[-1]:.3f}" for name, line in lines.items() if line)
    return (
        f'<svg role="img" width="{_WIDTH}" height="{_TALL}" viewBox="0 0 {_WIDTH} {_TALL}" '
        f'aria-label="{text_in(f"{title} by epoch: {told}")}">{"".join(parts)}</svg>'
    )


def text_in(value: str) -> str:
    """``value`` as the text of an SVG element, or of an attribute."""
    return escape(printable(value))


def _finite(value: float) -> bool:
    return value == value and abs(value) != float("inf")
