"""Charts: what is drawn, the same as a table, and nothing of the data as anything but data."""

from __future__ import annotations

import doctest
import json
import math
import re
from collections.abc import Sequence
from itertools import combinations
from types import ModuleType
from typing import Any

import pytest
from jinja2 import Environment

from chalicelib.console import chart_words, charts
from chalicelib.console.chart_parts import Row
from chalicelib.console.charts import (
    ALONE,
    CELL_PIXELS,
    HEAT_AXES_PIXELS,
    LEANING_PIXELS,
    LONGEST_LEANING,
    Chart,
    bars,
    heat,
    intervals,
    lines,
    stacked,
)
from chalicelib.console.render import _environment
from chalicelib.console.static_files import SERVED
from chalicelib.core.canonical import sha256_hex
from ops.places import ROOT
from tests.browser import Document

EVIL = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(1)> {{ 7 * 191 }} datum['x']"
STATIC = ROOT / "chalicelib" / "console" / "static"
VENDORED = json.loads((STATIC / "vendored.json").read_text())["files"]


def of_each_kind() -> list[Chart]:
    """A chart of each kind in which every name and every text is an attack."""
    named: dict[str, Any] = {EVIL: EVIL, "at": 852076800, "n": 3, "low": 1, "high": 5, "who": EVIL}
    rows = [named]
    return [
        lines(EVIL, EVIL, rows, x="at", y="n", series=EVIL),
        stacked(EVIL, EVIL, rows, x="at", y="n", series=EVIL),
        bars(EVIL, EVIL, rows, category=EVIL, value="n", series="who"),
        heat(EVIL, EVIL, rows, x=EVIL, y="who", value="n"),
        intervals(EVIL, EVIL, rows, x=EVIL, low="low", value="n", high="high", series="who"),
    ]


def drawn(chart: Chart) -> Document:
    """The figure as a page has it."""
    environment: Environment = _environment()
    text = '{% from "_parts.j2" import chart %}{{ chart(each) }}'
    return Document(environment.from_string(text).render(each=chart))


@pytest.mark.parametrize(
    "chart", of_each_kind(), ids=["lines", "stacked", "bars", "heat", "intervals"]
)
def test_data_is_never_markup(chart: Chart) -> None:
    """It stands escaped in one attribute and in the cells, and comes out as it went in."""
    page = drawn(chart)

    tags = {tag for tag, _ in page.tags}
    assert tags <= {
        *("figure", "figcaption", "strong", "span", "div", "details", "summary"),
        *("table", "thead", "tbody", "tr", "th", "td"),
    }
    assert "1337" not in page.text
    [text] = page.all("figure", "data-chart")
    assert json.loads(text) == json.loads(chart.text)
    assert EVIL in json.loads(text)["data"]["values"][0].values()
    assert EVIL in page.text


@pytest.mark.parametrize(
    "chart", of_each_kind(), ids=["lines", "stacked", "bars", "heat", "intervals"]
)
def test_names_of_data_are_no_fields_of_the_specification(chart: Chart) -> None:
    """Fields have names of ours, so that no name of theirs is read as a path or an expression."""
    spec = json.loads(chart.text)
    ours = {
        "x",
        "y",
        "low",
        "high",
        "series",
        "moment",
        "place",
        "x_told",
        "y_told",
        "low_told",
        "high_told",
    }

    def fields(node: Any) -> set[str]:
        match node:
            case dict():
                own = {node["field"]} if "field" in node else set()
                return own.union(*map(fields, node.values()))
            case list():
                return set().union(*map(fields, node))
        return set()

    values = spec.pop("data")["values"]
    assert fields(spec) <= ours
    assert {name for value in values for name in value} <= ours
    assert fields(spec) <= {name for value in values for name in value}


def test_the_table_has_what_is_drawn() -> None:
    """A row for each point, in words; and what cannot be seen is described."""
    rows: list[Row] = [{"day": "2026-11-26", "lift": 0.125}, {"day": "2026-11-27", "lift": None}]
    chart = lines("Lift", "By day.", rows, x="day", y="lift", y_format=".0%")
    page = drawn(chart)

    assert chart.rows == (("2026-11-26", "12.5 %"), ("2026-11-27", "–"))
    assert [each["y"] for each in chart.spec["data"]["values"]] == [0.125, None]
    assert [text for tag, text in page.texts if tag == "td"] == [
        cell for row in chart.rows for cell in row
    ]
    assert page.all("div", "aria-label") == ["Lift: By day."]


@pytest.mark.parametrize(("name", "letters"), [("new", 3), ("x" * 300, LONGEST_LEANING)])
def test_a_heat_map_of_one_row_has_room_for_its_cells(name: str, letters: int) -> None:
    """Legend and leaning names take nothing away from them, and counts have no fractions."""
    chart = heat("M", "M.", [{"to": name, "from": "a", "n": 1}], x="to", y="from", value="n")

    assert chart.spec["height"] == CELL_PIXELS + HEAT_AXES_PIXELS + letters * LEANING_PIXELS
    shade = chart.spec["encoding"]["color"]
    assert (shade["legend"], shade["scale"]) == ({"tickMinStep": 1}, {"zero": True})


def test_a_chart_of_one_point_does_not_look_broken() -> None:
    """The point is one to be seen, and a count of one has no tenths beside it."""
    [alone] = rows = [{"night": "2026-11-27", "n": 1}]
    size, moved = (
        lines("S", "S.", rows, x="night", y="n"),
        bars("M", "M.", [{**alone, "from": "new"}], category="from", value="n"),
    )

    assert size.spec["mark"]["point"] == {"size": ALONE}
    assert size.spec["encoding"]["y"]["axis"]["tickMinStep"] == 1
    assert moved.spec["encoding"]["x"]["axis"]["tickMinStep"] == 1
    shares = stacked("S", "S.", rows, x="night", y="n", series="night", shares=True)
    assert "tickMinStep" not in shares.spec["encoding"]["y"]["axis"]
    half = lines("S", "S.", [*rows, {"night": "2026-11-28", "n": 0.5}], x="night", y="n")
    assert half.spec["mark"]["point"] is True
    assert "tickMinStep" not in half.spec["encoding"]["y"]["axis"]


def test_a_moment_is_the_same_however_it_is_written() -> None:
    """Seconds, text and date name one instant in UTC, wherever the browser stands."""
    values = [852076800, "1997-01-01", "1997-01-01T00:00:00Z", "1997-01-01T01:00:00+01:00"]
    chart = lines("T", "T.", [{"at": each, "n": 1} for each in values], x="at", y="n")

    assert {each["x"] for each in chart.spec["data"]["values"]} == {852076800_000}


def test_a_series_that_is_missing_at_a_moment_counts_nothing_there() -> None:
    """Or the areas above it would be drawn across the gap."""
    rows = [
        {"day": "2026-11-01", "n": 4, "segment": "new"},
        {"day": "2026-11-02", "n": 5, "segment": "lost"},
    ]
    chart = stacked("S", "S.", rows, x="day", y="n", series="segment")

    assert sorted(chart.rows) == [
        ("2026-11-01", "0", "lost"),
        ("2026-11-01", "4", "new"),
        ("2026-11-02", "0", "new"),
        ("2026-11-02", "5", "lost"),
    ]
    assert [each["place"] for each in chart.spec["data"]["values"] if each["series"] == "lost"] == [
        1,
        1,
    ]


def test_what_is_no_number_becomes_a_gap() -> None:
    """NaN and infinity are no JSON, and a browser would refuse the whole chart."""
    rows = [{"at": 0, "n": float("nan")}, {"at": 60, "n": float("inf")}]
    chart = lines("N", "N.", rows, x="at", y="n")

    assert [each["y"] for each in json.loads(chart.text)["data"]["values"]] == [None, None]
    assert [row[1] for row in chart.rows] == ["–", "–"]


@pytest.mark.parametrize("of", VENDORED, ids=lambda each: str(each["file"]))
def test_what_is_not_ours_is_as_published_with_its_licence(of: dict[str, str]) -> None:
    """To the byte, as npm has it; ``vendored.json`` says which version and which file."""
    assert sha256_hex((STATIC / of["file"]).read_bytes()) == of["sha256"]
    stem = of["file"].rpartition(".")[0]
    words = {"0BSD": "Zero-Clause BSD", "MIT": "The MIT License", "BSD-3-Clause": "Redistribution"}
    assert words[of["licence"]] in (STATIC / f"{stem}.LICENSE.txt").read_text()


def test_every_script_and_stylesheet_is_ours_or_written_down() -> None:
    """Nothing is served whose origin nobody knows; the interpreter comes within vega-embed."""
    ours = {"console.css", "charts.css", "charts.js"}

    assert set(SERVED) == ours | {each["file"] for each in VENDORED}
    assert {path.name for path in STATIC.iterdir() if path.suffix in (".js", ".css")} == set(SERVED)
    script = (STATIC / "charts.js").read_text()
    assert "ast: true" in script
    assert "innerHTML" not in script
    assert "eval(" not in script


@pytest.mark.parametrize("module", [charts, chart_words], ids=lambda each: each.__name__)
def test_the_examples_in_the_docstrings_are_true(module: ModuleType) -> None:
    """Each shows what its function gives."""
    result = doctest.testmod(module)

    assert (result.failed, result.attempted > 0) == (0, True)


# How who sees linear RGB: Machado, Oliveira and Fernandes (2009), table 1, severity 1.
_SEEN_BY = {
    "everybody": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "the red-blind": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "the green-blind": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "the blue-blind": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
_XYZ = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
_WHITE = (0.9505, 1.0, 1.089)


def linear(colour: str) -> tuple[float, ...]:
    """A colour of a stylesheet in linear RGB, from 0 to 1."""
    channels = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return tuple(c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)


def applied(matrix: Sequence[Sequence[float]], vector: Sequence[float]) -> tuple[float, ...]:
    """A matrix times a vector."""
    return tuple(sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix)


def lab(rgb: Sequence[float]) -> tuple[float, float, float]:
    """CIE L*a*b* of linear RGB, in which distances are what the eye makes of them."""
    relative = (max(c, 0.0) / w for c, w in zip(applied(_XYZ, rgb), _WHITE, strict=True))
    x, y, z = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in relative)
    return (116 * y - 16, 500 * (x - y), 200 * (y - z))


def contrast(one: str, other: str) -> float:
    """As WCAG 2 has it."""
    low, high = sorted(applied(_XYZ, linear(each))[1] for each in (one, other))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_series_are_told_apart_by_everybody(theme: int) -> None:
    """Three to one against the card; ten times what is just told apart, whoever looks."""
    sheet = (STATIC / "charts.css").read_text().partition("@media (prefers-color-scheme: dark)")
    cards = re.findall(r"--card: (#[0-9a-f]{6})", (STATIC / "console.css").read_text())
    series = re.findall(r"--series-\d: (#[0-9a-f]{6})", sheet[2 * theme])

    assert len(series) == 8
    assert min(contrast(each, cards[theme]) for each in series) >= 3
    for who, matrix in _SEEN_BY.items():
        seen = [lab(applied(matrix, linear(each))) for each in series]
        assert min(math.dist(a, b) for a, b in combinations(seen, 2)) > 23, who
