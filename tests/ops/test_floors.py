"""Floors of the benchmark: what falls below one is named, and a slow variant does not pass."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.__main__ import PROMISED
from benchmarks.floors import FLOORS, FloorsUnreadable, judge, left_out, read_floors

GOOD: dict[str, Any] = {
    "cold_start_ratio": 4.5,
    "cold_start_ratio_as_packaged": 11.0,
    "cold_start_over_parts": 1.1,
    "decision_ratio": 16.0,
    "aws_reads": 1.0,
    "aws_writes": 1.0,
    "aws_overhead": 1.15,
    "console_ms": 27.0,
    "console_calls": 26,
    "csv_ratio": 5.0,
    "csv_ratio_whole": 6.0,
    "csv_share_of_parsing": 0.7,
    "csv_share_of_copying": 0.5,
    "parquet_ratio": 8.0,
    "parquet_ratio_whole": 9.0,
    "parquet_share_of_copying": 0.4,
    "jsonl_ratio": 5.0,
    "peak_mb": {"1m": 180.0, "4m": 182.0, "10m": 190.0},
    "peak_growth": 0.04,
}
OURS = read_floors(FLOORS.read_text())


def broken(figures: dict[str, Any], *, short: bool = False) -> list[str]:
    """The figures whose floors do not hold."""
    return [breach.floor.figure for breach in judge(figures, OURS, short=short)]


def test_good_figures_pass() -> None:
    """What is on the right side of every floor is no breach."""
    assert broken(GOOD) == []


@pytest.mark.parametrize(
    ("figure", "slow"),
    [
        ("cold_start_ratio", 3.99),
        ("cold_start_ratio_as_packaged", 7.9),
        ("cold_start_over_parts", 1.36),
        ("decision_ratio", 4.9),
        ("aws_reads", 2.0),
        ("aws_writes", 1.01),
        ("aws_overhead", 1.26),
        ("console_ms", 101.0),
        ("console_calls", 27),
        ("csv_ratio", 1.79),
        ("csv_ratio_whole", 2.49),
        ("csv_share_of_parsing", 0.64),
        ("csv_share_of_copying", 0.47),
        ("parquet_ratio", 1.89),
        ("parquet_ratio_whole", 2.89),
        ("parquet_share_of_copying", 0.35),
        ("jsonl_ratio", 3.9),
        ("peak_growth", 0.11),
        ("decision_ratio", float("nan")),
    ],
)
def test_a_slow_variant_is_named(figure: str, slow: float) -> None:
    """One figure beyond its floor fails alone, by its own name."""
    assert broken({**GOOD, figure: slow}) == [figure]


@pytest.mark.parametrize("rows", ["1m", "4m", "10m"])
def test_memory_is_held_for_each_size(rows: str) -> None:
    """A peak above the bar is named with the number of rows."""
    assert broken({**GOOD, "peak_mb": {**GOOD["peak_mb"], rows: 221}}) == [f"peak_mb.{rows}"]


def test_what_was_not_measured_does_not_pass() -> None:
    """A figure that is missing or null breaks its floor: no benchmark may be lost in silence."""
    without = {name: value for name, value in GOOD.items() if name != "aws_reads"}

    assert broken(without) == ["aws_reads"]
    assert broken({**GOOD, "csv_ratio": None}) == ["csv_ratio"]


def test_the_short_form_leaves_out_by_name_what_it_cannot_measure() -> None:
    """Sizes beyond the short form are said to be left out there, and asked for in the long one."""
    short = {**GOOD, "peak_mb": {"1m": 180.0, "4m": None, "10m": None}, "peak_growth": None}

    assert broken(short, short=True) == []
    assert left_out(OURS) == [
        "jsonl_ratio at least 4",
        "peak_mb.4m at most 220",
        "peak_mb.10m at most 220",
        "peak_growth at most 0.1",
    ]
    assert broken(short) == ["peak_mb.4m", "peak_mb.10m", "peak_growth"]
    assert broken({**short, "jsonl_ratio": 3.3}, short=True) == []


def test_a_breach_says_figure_bar_and_reason() -> None:
    """Whoever breaks a floor reads what is, what must be, and why."""
    (breach,) = judge({**GOOD, "decision_ratio": 2.5}, OURS, short=True)

    assert str(breach).startswith("decision_ratio is 2.5, must be at least 5: ")


def test_every_promised_ratio_has_a_floor() -> None:
    """No ratio of the closing line can fall unnoticed."""
    figures = {floor.figure for floor in OURS}

    assert {name for name in PROMISED if "ratio" in name or name.startswith("aws_")} <= figures
    assert all(floor.why for floor in OURS)


@pytest.mark.parametrize(
    "text",
    [
        '[[floor]]\nfigure = "x"\nwhy = "y"\n',
        '[[floor]]\nfigure = "x"\nwhy = "y"\nleast = 1\nmost = 2\n',
        '[[floor]]\nfigure = "x"\nleast = 1\n',
        '[[floor]]\nfigure = "x"\nleast = 1\nwhy = "y"\nlest = 2\n',
    ],
)
def test_a_floor_that_is_none_is_refused(text: str) -> None:
    """A floor without a bar or a reason, with two bars or a slip of the pen is named."""
    with pytest.raises(FloorsUnreadable, match="x"):
        read_floors(text)
