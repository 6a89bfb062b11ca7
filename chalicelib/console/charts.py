"""Charts as Vega-Lite specifications, each with the numbers it is drawn from as a table.

A chart names no colour and no width: the script that draws it takes both from the page. Names of
columns and values of rows are data alone: within a specification every field has a name of ours, so
none of theirs is ever read as an expression.

>>> rows = [{"state": "sent", "mails_a_day": 3}]
>>> chart = bars("Mails", "Mails by state.", rows, category="state", value="mails_a_day")
>>> chart.columns, chart.rows
(('state', 'mails a day'), (('sent', '3'),))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json

from chalicelib.console.chart_parts import (
    Json,
    Row,
    XType,
    across,
    are_whole,
    category_of,
    colour,
    data,
    distinct,
    measure,
    tooltip,
    x_type_of,
)
from chalicelib.console.chart_words import spaced

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
BAR_PIXELS = 26
CELL_PIXELS = 30
AXES_PIXELS = 80
# Above and below a heat map: its legend, and names of columns that lean (so much for each letter).
HEAT_AXES_PIXELS = 110
LEANING_PIXELS = 5
LONGEST_LEANING = 40
# With fewer moments than this an area has next to no width, and a bar says more.
LEAST_OF_AN_AREA = 3
# Beyond this many, points hide the line that they stand on.
MOST_POINTS = 200
# The area of a point that has no line yet.
ALONE = 120


@dataclass(frozen=True, slots=True)
class Chart:
    """A figure.

    Attributes:
        title: what it is about.
        described: what it shows, in a sentence, for whoever does not see it.
        spec: Vega-Lite with its data; no width, no colours.
        columns: the heads of the table that stands beside it.
        rows: the table's cells, in words.
    """

    title: str
    described: str
    spec: Mapping[str, Any]
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    @property
    def text(self) -> str:
        """The specification as JSON; a number that JSON does not know is null."""
        return to_json(self.spec, inf_nan_mode="null").decode()


def lines(
    title: str,
    described: str,
    rows: Sequence[Row],
    *,
    x: str,
    y: str,
    series: str | None = None,
    x_type: XType = "temporal",
    y_format: str | None = None,
) -> Chart:
    """Lines over time or numbers, one for each value of ``series``.

    Args:
        title: what it is about.
        described: what it shows, in a sentence.
        rows: dictionaries with the fields named below; None for ``y`` leaves a gap.
        x: a moment as whole seconds since 1970, a date, a datetime or ISO text; else what
            ``x_type`` says.
        y: a number.
        series: tells the lines apart.
        x_type: how ``x`` is to be read.
        y_format: of d3, such as ``.1%``.
    """
    fields = _named(x=x, y=y, series=series)
    encoding = across(x, x_type) | {"y": measure("y", rows, y, y_format)} | colour(rows, series)
    mark: Json = {"type": "line", "strokeWidth": 2, "point": len(rows) <= MOST_POINTS}
    if len(distinct(rows, x)) == 1:
        mark["point"] = {"size": ALONE}
    return _chart(title, described, rows, fields, _unit(mark, encoding), x_type, y_format)


def stacked(
    title: str,
    described: str,
    rows: Sequence[Row],
    *,
    x: str,
    y: str,
    series: str,
    x_type: XType = "temporal",
    y_format: str | None = None,
    shares: bool = False,
) -> Chart:
    """Areas on top of each other; a series that is missing at an ``x`` counts nothing there.

    Arguments as for ``lines``; ``shares`` shows each series as its part of the whole.
    """
    places = {each: place for place, each in enumerate(distinct(rows, x))}
    seen = {(each[x], each[series]) for each in rows}
    absent = [
        {x: at, series: name, y: 0}
        for at in places
        for name in distinct(rows, series)
        if (at, name) not in seen
    ]
    whole = sorted([*rows, *absent], key=lambda row: places[row[x]])
    is_area = len(places) >= LEAST_OF_AN_AREA and x_type != "nominal"
    mark: Json = {"type": "area", "line": {"strokeWidth": 1}} if is_area else {"type": "bar"}
    mark |= {"opacity": 0.85} if is_area else {"size": 36}
    height = measure("y", rows, y, "%" if shares else y_format)
    height["stack"] = "normalize" if shares else "zero"
    order = {"order": {"field": "place", "type": "quantitative"}}
    encoding = across(x, x_type) | {"y": height} | colour(rows, series) | order
    fields = _named(x=x, y=y, series=series)
    return _chart(title, described, whole, fields, _unit(mark, encoding), x_type, y_format)


def bars(
    title: str,
    described: str,
    rows: Sequence[Row],
    *,
    category: str,
    value: str,
    series: str | None = None,
    value_format: str | None = None,
) -> Chart:
    """A bar for each category, from top to bottom in the order of the rows; series side by side."""
    encoding = {
        "y": category_of("x", category),
        "x": measure("y", rows, value, value_format),
        **colour(rows, series),
    }
    count = len(distinct(rows, category))
    if series is not None:
        encoding["yOffset"] = category_of("series", series)
        count *= len(distinct(rows, series))
    spec = _unit({"type": "bar", "cornerRadiusEnd": 2}, encoding)
    spec["height"] = count * BAR_PIXELS + AXES_PIXELS
    fields = _named(x=category, y=value, series=series)
    return _chart(title, described, rows, fields, spec, "nominal", value_format)


def heat(
    title: str,
    described: str,
    rows: Sequence[Row],
    *,
    x: str,
    y: str,
    value: str,
    value_format: str | None = None,
) -> Chart:
    """A cell for each pair of ``x`` and ``y``, stronger for more; both in the order of the rows."""
    shade: Json = {"field": "y", "type": "quantitative", "title": spaced(value)}
    shade["legend"] = {"format": value_format} if value_format else {}
    if are_whole(rows, value):
        shade["legend"] |= {"tickMinStep": 1}
        shade["scale"] = {"zero": True}
    encoding = across(x, "nominal") | {"y": category_of("series", y), "color": shade}
    spec = _unit({"type": "rect"}, encoding)
    longest = max((len(str(each)) for each in distinct(rows, x)), default=0)
    leaning = min(longest, LONGEST_LEANING) * LEANING_PIXELS
    spec["height"] = len(distinct(rows, y)) * CELL_PIXELS + HEAT_AXES_PIXELS + leaning
    fields = _named(x=x, series=y, y=value)
    return _chart(title, described, rows, fields, spec, "nominal", value_format)


def intervals(
    title: str,
    described: str,
    rows: Sequence[Row],
    *,
    x: str,
    low: str,
    value: str,
    high: str,
    series: str | None = None,
    zero: bool = True,
    x_type: XType | None = None,
    y_format: str | None = None,
) -> Chart:
    """Points with whiskers over time or categories, and a line at zero where ``zero`` says so.

    Without ``x_type``, moments and dates are taken for time, and everything else for a category.
    """
    kind = x_type or x_type_of(rows, x)
    place = across(x, kind)
    if series is not None:
        # Side by side, or the whiskers of one hide those of the next; time becomes a category.
        place = across(x, "nominal", field="moment" if kind == "temporal" else "x")
        place["xOffset"] = category_of("series", series)
    height = {**measure("y", rows, value, y_format), "scale": {"zero": zero}}
    ends = {"y": {**height, "field": "low"}, "y2": {"field": "high"}}
    fields = _named(x=x, low=low, y=value, high=high, series=series)
    shared = place | colour(rows, series) | tooltip(fields, kind)
    point = {"type": "point", "filled": True, "size": 70, "opacity": 1}
    layers = [
        _unit({"type": "rule", "strokeWidth": 2}, shared | ends),
        _unit(point, shared | {"y": height}),
    ]
    if zero:
        rule = {"type": "rule", "strokeDash": [4, 4], "style": "zero"}
        layers.insert(0, _unit(rule, {"y": {"datum": 0}}))
    return _chart(title, described, rows, fields, {"layer": layers}, kind, y_format)


def _named(**fields: str | None) -> dict[str, str]:
    return {ours: theirs for ours, theirs in fields.items() if theirs is not None}


def _unit(mark: Json, encoding: Json) -> Json:
    return {"mark": mark, "encoding": encoding}


def _chart(
    title: str,
    described: str,
    rows: Sequence[Row],
    fields: Mapping[str, str],
    spec: Json,
    x_type: XType,
    y_format: str | None,
) -> Chart:
    """The specification with its data, and the table of the same."""
    values = data(rows, fields, x_type, y_format)
    told = tooltip(fields, x_type)
    if "encoding" in spec:
        spec["encoding"] |= told
    cells = tuple(tuple(value[each["field"]] for each in told["tooltip"]) for value in values)
    whole = {"$schema": SCHEMA, **spec, "data": {"values": values}}
    return Chart(title, described, whole, tuple(map(spaced, fields.values())), cells)
