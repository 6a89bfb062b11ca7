"""What specifications of charts are made of: encodings, and rows under names of ours.

The fields of a row are ``x``, ``y``, ``low``, ``high`` and ``series``. The same in words are
``moment`` and ``…_told``; ``place`` is where a series stands among its neighbours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from chalicelib.console.chart_words import instant_of, is_moment, moment_words, number_words, spaced

Row = Mapping[str, Any]
Json = dict[str, Any]
XType = Literal["temporal", "nominal", "quantitative"]

_NUMBERS = ("y", "low", "high")
# So many pixels for each label under the plot: what the width has room for is known to the browser.
_TICKS = {"expr": "max(2, floor(width / 90))"}
_TIMES = {
    **{"year": "%Y", "quarter": "%b %Y", "month": "%d %b", "week": "%d %b", "date": "%d %b"},
    **{"day": "%d %b", "hours": "%H:%M", "minutes": "%H:%M", "seconds": "%H:%M:%S"},
}


def distinct(rows: Sequence[Row], field: str) -> list[Any]:
    """The values of a field, in the order in which they are named first."""
    return list(dict.fromkeys(row[field] for row in rows))


def x_type_of(rows: Sequence[Row], x: str) -> XType:
    """Time where every value is a moment, else categories."""
    return "temporal" if all(is_moment(row[x]) for row in rows) else "nominal"


def across(name: str, x_type: XType, *, field: str = "x") -> Json:
    """What lies along the horizontal axis."""
    if x_type == "nominal":
        return {"x": {**category_of(field, name), "axis": {"labelAngle": -40}}}
    axis: Json = {"labelOverlap": True, "tickCount": _TICKS}
    placed: Json = {"field": field, "type": x_type, "axis": axis}
    if x_type == "temporal":  # the labels say that it is time
        axis["format"] = _TIMES
        return {"x": {**placed, "title": None, "scale": {"type": "utc"}}}
    return {"x": {**placed, "title": spaced(name), "scale": {"zero": False}}}


def measure(field: str, rows: Sequence[Row], name: str, number_format: str | None) -> Json:
    """A number with an axis, which has no fractions where all are whole."""
    axis: Json = {"tickCount": 5} | ({"format": number_format} if number_format else {})
    if are_whole(rows, name) and "%" not in (number_format or ""):
        axis["tickMinStep"] = 1
    return {"field": field, "type": "quantitative", "title": spaced(name), "axis": axis}


def are_whole(rows: Sequence[Row], name: str) -> bool:
    """Whether a column has whole numbers alone."""
    return all(each[name] is None or isinstance(each[name], int) for each in rows)


def category_of(field: str, name: str) -> Json:
    """A category, in the order of the rows."""
    return {"field": field, "type": "nominal", "sort": None, "title": spaced(name)}


def colour(rows: Sequence[Row], series: str | None) -> Json:
    """A colour for each series; none without any."""
    if series is None:
        return {}
    domain = list(map(str, distinct(rows, series)))
    named = {"field": "series", "type": "nominal", "title": spaced(series)}
    return {"color": {**named, "scale": {"domain": domain}}}


def tooltip(fields: Mapping[str, str], x_type: XType) -> Json:
    """What is told of a row, all of it in words already."""
    return {
        "tooltip": [
            {"field": _told(ours, x_type), "type": "nominal", "title": spaced(theirs)}
            for ours, theirs in fields.items()
        ]
    }


def data(
    rows: Sequence[Row], fields: Mapping[str, str], x_type: XType, y_format: str | None
) -> list[Json]:
    """The rows under names of ours, with moments and numbers in words besides."""
    places: dict[Any, int] = {}
    if "series" in fields:
        names = distinct(rows, fields["series"])
        places = {name: place for place, name in enumerate(names)}
    values = []
    for row in rows:
        value = {ours: row[theirs] for ours, theirs in fields.items()}
        value |= {
            f"{each}_told": number_words(value[each], y_format)
            for each in _NUMBERS
            if each in value
        }
        if "series" in value:
            value |= {"series": str(value["series"]), "place": places[value["series"]]}
        values.append(value | _horizontal(value["x"], x_type))
    return values


def _horizontal(x: Any, x_type: XType) -> Json:
    match x_type:
        case "temporal":
            # Milliseconds, so that no browser reads a text in a time zone of its own.
            return {"x": round(instant_of(x).timestamp() * 1_000), "moment": moment_words(x)}
        case "nominal":
            return {"x": str(x)}
        case "quantitative":
            return {"x_told": number_words(x)}


def _told(ours: str, x_type: XType) -> str:
    if ours in _NUMBERS or (ours == "x" and x_type == "quantitative"):
        return f"{ours}_told"
    return "moment" if ours == "x" and x_type == "temporal" else ours
