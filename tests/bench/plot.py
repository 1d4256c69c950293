"""Horizontal bars on a logarithmic axis, in panels below each other, as an SVG."""

import math
from collections.abc import Callable, Iterator, Sequence
from html import escape
from typing import NamedTuple

_WIDTH = 880
_LEFT = 170  # of the axis; the rows' names are before it
_RIGHT = 700  # of the axis; room for the values after it
_BAR = 15
_GAP = 7  # between rows
_HEADING = 34
_INK = "#1f2328"
_FAINT = "#59636e"
_GRID = "#d8dee4"
_STEPS = (1, 2, 5)


class Bar(NamedTuple):
    value: float
    low: float
    high: float
    text: str
    colour: str


class Row(NamedTuple):
    name: str
    bars: Sequence[Bar]
    strong: bool = False


class Panel(NamedTuple):
    heading: str
    rows: Sequence[Row]


class Chart(NamedTuple):
    title: str
    subtitle: str
    axis: str
    panels: Sequence[Panel]
    tick: Callable[[float], str]  # a value at the axis to its text
    legend: Sequence[tuple[str, str]]  # colour and meaning
    mark: tuple[float, str] | None = None  # a value that is worth a line, and its name


def svg(chart: Chart) -> str:
    bars = [bar for panel in chart.panels for row in panel.rows for bar in row.bars]
    marked = [chart.mark[0]] if chart.mark else []
    ticks = _ticks(min([bar.low for bar in bars] + marked), max([bar.high for bar in bars] + marked))
    first, last = math.log(ticks[0]), math.log(ticks[-1])

    def x(value: float) -> float:
        return _LEFT + (_RIGHT - _LEFT) * (math.log(value) - first) / (last - first)

    top = 96
    body: list[str] = []
    y = float(top)
    for panel in chart.panels:
        y += _HEADING
        body.append(_text(20, y - 10, panel.heading, size=14, weight="bold"))
        for row in panel.rows:
            body += _row(row, y, x)
            y += _BAR * len(row.bars) + _GAP
    bottom = y + 4
    grid = [_line(x(tick), top, bottom, _GRID) for tick in ticks]
    labels = [_text(x(tick), bottom + 17, chart.tick(tick), colour=_FAINT, anchor="middle") for tick in ticks]
    labels.append(_text((_LEFT + _RIGHT) / 2, bottom + 39, chart.axis, size=13, anchor="middle"))
    if chart.mark:
        grid.append(_line(x(chart.mark[0]), top, bottom, _INK, ' stroke-dasharray="4 3"'))
        labels.append(_text(x(chart.mark[0]), top - 5, chart.mark[1], anchor="middle"))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{bottom + 54:.0f}" '
            f'viewBox="0 0 {_WIDTH} {bottom + 54:.0f}" role="img" '
            'font-family="DejaVu Sans, Verdana, Helvetica, Arial, sans-serif">',
            f"<title>{escape(chart.title)}</title>",
            '<rect width="100%" height="100%" fill="#ffffff"/>',
            _text(20, 30, chart.title, size=18, weight="bold"),
            _text(20, 51, chart.subtitle, colour=_FAINT),
            *_legend(chart.legend),
            *grid,
            *body,
            *labels,
            "</svg>\n",
        ]
    )


def _ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 of each decade, from the last below low to the first that is not below high."""
    exponents = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    steps = [float(f"{step}e{exponent}") for exponent in exponents for step in _STEPS]
    start = max(index for index, step in enumerate(steps) if step < low)
    stop = min(index for index, step in enumerate(steps) if step >= high)
    return steps[start : stop + 1]


def _row(row: Row, y: float, x: Callable[[float], float]) -> Iterator[str]:
    middle = y + _BAR * len(row.bars) / 2 + 4
    yield _text(_LEFT - 8, middle, row.name, anchor="end", weight="bold" if row.strong else "normal")
    for bar in row.bars:
        yield (
            f'<rect x="{_LEFT}" y="{y:.1f}" width="{x(bar.value) - _LEFT:.1f}" height="{_BAR - 1}" '
            f'fill="{bar.colour}"/>'
        )
        if bar.low < bar.high:
            yield (
                f'<path d="M{x(bar.low):.1f} {y + _BAR / 2 - 0.5:.1f}H{x(bar.high):.1f}" '
                f'stroke="{_INK}" stroke-width="1.5"/>'
            )
        yield _text(
            x(bar.high) + 7, y + _BAR - 3.5, bar.text, size=11.5, weight="bold" if row.strong else "normal"
        )
        y += _BAR


def _legend(entries: Sequence[tuple[str, str]]) -> Iterator[str]:
    left = 20.0
    for colour, meaning in entries:
        yield f'<rect x="{left:.0f}" y="62" width="11" height="11" fill="{colour}"/>'
        yield _text(left + 16, 72, meaning, colour=_FAINT)
        left += 40 + 6.5 * len(meaning)


def _line(x: float, top: float, bottom: float, colour: str, more: str = "") -> str:
    return f'<path d="M{x:.1f} {top:.1f}V{bottom:.1f}" stroke="{colour}"{more}/>'


def _text(
    x: float,
    y: float,
    text: str,
    *,
    size: float = 12,
    colour: str = _INK,
    anchor: str = "start",
    weight: str = "normal",
) -> str:
    # The white around it keeps the lines of the grid off the letters.
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" text-anchor="{anchor}" '
        f'font-weight="{weight}" stroke="#ffffff" stroke-width="4" paint-order="stroke">{escape(text)}</text>'
    )
