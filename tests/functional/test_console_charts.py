"""Charts: what is drawn, the same as a table, and nothing of the data as anything but data."""

from __future__ import annotations

import doctest
import json
from types import ModuleType
from typing import Any

import pytest
from jinja2 import Environment

from chalicelib.console import chart_words, charts
from chalicelib.console.chart_parts import Row
from chalicelib.console.charts import Chart, bars, heat, intervals, lines, stacked
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
