"""Parts of a self-contained HTML page: no scripts, no files beside it, nothing that is loaded from anywhere."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

from .. import __version__
from ..door.errors import EngineError
from ..door.files import replaced

STYLE = """
body { font: 15px/1.5 sans-serif; color: #222; background: #fff; max-width: 60em; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.5em; margin-bottom: 0; } h2 { font-size: 1.15em; margin-top: 2em; }
table { border-collapse: collapse; } th, td { padding: .25em .9em .25em 0; text-align: left; vertical-align: top; }
td.number, th.number { text-align: right; } tr { border-bottom: 1px solid #ddd; }
.swatch { display: inline-block; width: .8em; height: .8em; margin-right: .5em; }
figure { display: inline-block; margin: 0 1em 1em 0; } figcaption { color: #555; font-size: .9em; }
.warning { background: #fff3cd; padding: .5em .8em; margin: .5em 0; } .quiet { color: #555; }
"""
RESEARCH = "For research use only: not for diagnosis, and not for decisions about the treatment of patients."


def page(title: str, parts: Iterable[str]) -> str:
    """A whole page with a title and parts in HTML."""
    body = "\n".join(parts)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head>\n<body>\n<h1>{escape(title)}</h1>\n"
        f'<p class="quiet">{escape(RESEARCH)}</p>\n{body}\n'
        f'<p class="quiet">CMAformer {escape(__version__)}</p>\n</body></html>\n'
    )


def write_page(path: Path, text: str) -> None:
    """Write a page whole or not at all.

    Raises:
        EngineError: it cannot be written ("unwritable").
    """
    try:
        with replaced(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError:
        raise EngineError(
            "unwritable", f"{path.name} cannot be written.", "Is the folder there, writable, and not full?"
        ) from None


def heading(text: str) -> str:
    """A heading of a part."""
    return f"<h2>{escape(text)}</h2>"


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph; ``kind`` is "warning", "quiet" or nothing."""
    return f"<p{_kind(kind)}>{escape(text)}</p>"


def table(heads: Sequence[str], rows: Iterable[Sequence[str | Number | Name]]) -> str:
    """A table; cells are texts, numbers or names with a color."""
    rows = [list(row) for row in rows]
    numeric = [bool(rows) and all(isinstance(row[n], Number) for row in rows) for n in range(len(heads))]
    head = "".join(f"<th{_kind('number' if right else '')}>{escape(text)}</th>" for text, right in zip(heads, numeric))
    lines = ["<tr>" + "".join(_cell(cell) for cell in row) + "</tr>" for row in rows]
    return f"<table><tr>{head}</tr>\n" + "\n".join(lines) + "</table>"


class Number(str):
    """A number as text, which stands on the right of its cell."""


class Name(str):
    """The name of a structure, with its color beside it."""

    color: tuple[int, int, int]

    def __new__(cls, text: str, color: Sequence[int]) -> Name:
        """The text with a color (0-255)."""
        name = super().__new__(cls, text)
        name.color = (int(color[0]), int(color[1]), int(color[2]))
        return name


def number(value: float | None, digits: int) -> Number:
    """A number with so many digits after the point; a dash where there is none."""
    return Number("-" if value is None else f"{value:.{digits}f}")


def picture(png: bytes, caption: str) -> str:
    """A picture within the page."""
    data = base64.b64encode(png).decode("ascii")
    text = escape(caption)
    return f'<figure><img src="data:image/png;base64,{data}" alt="{text}"><figcaption>{text}</figcaption></figure>'


def curves(title: str, lines: Mapping[str, Sequence[tuple[float, float]]], width: int = 560, height: int = 220) -> str:
    """Curves over the iterations as an SVG drawing with its ends as labels.

    Args:
        title: said above it.
        lines: name -> points (iteration, value); a line without points is left out.
        width: of the drawing in pixels.
        height: likewise.
    """
    known = {name: points for name, points in lines.items() if points}
    if not known:
        return ""
    xs = [x for points in known.values() for x, _ in points]
    ys = [y for points in known.values() for _, y in points]
    left, right, low, high = min(xs), max(xs), min(ys), max(ys)
    wide, tall = (right - left) or 1.0, (high - low) or 1.0
    inner, top = width - 70, 10
    colors = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b")
    parts = [f'<svg width="{width}" height="{height + 40}" role="img" aria-label="{escape(title)}">']
    for (name, points), color in zip(known.items(), colors * len(known)):
        across = [60 + inner * (x - left) / wide for x, _ in points]
        down = [top + (height - 20) * (1 - (y - low) / tall) for _, y in points]
        drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across, down))
        parts.append(f'<polyline fill="none" stroke="{color}" stroke-width="1.5" points="{drawn}"/>')
        place = 60 + 150 * list(known).index(name)
        parts.append(f'<text x="{place}" y="{height + 34}" fill="{color}" font-size="12">{escape(name)}</text>')
    for text, x, y in (
        (f"{high:.3g}", 4, top + 8),
        (f"{low:.3g}", 4, height - 10),
        (f"{left:.0f}", 60, height + 12),
        (f"{right:.0f} iterations", width - 110, height + 12),
    ):
        parts.append(f'<text x="{x}" y="{y}" fill="#555" font-size="12">{escape(text)}</text>')
    return f"<p>{escape(title)}</p>" + "".join(parts) + "</svg>"


def _cell(cell: str) -> str:
    if isinstance(cell, Name):
        color = "#{:02x}{:02x}{:02x}".format(*cell.color)
        return f'<td><span class="swatch" style="background:{color}"></span>{escape(cell)}</td>'
    return f"<td{_kind('number' if isinstance(cell, Number) else '')}>{escape(cell)}</td>"


def _kind(kind: str) -> str:
    return f' class="{kind}"' if kind else ""
