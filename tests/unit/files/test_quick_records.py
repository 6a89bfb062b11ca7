"""Which records a pattern passes over, and under which Python none."""

from __future__ import annotations

import sys

import pytest

from chalicelib.files.quick_records import QuickRecords

GOOD = (3, 11, 5)
DATA = b'a,1\n"b,\nc",2\nd'


@pytest.mark.skipif(sys.version_info < GOOD, reason="this Python matches wrongly")
def test_records_that_are_a_line_each_are_passed_over() -> None:
    """Up to the first that holds a line break; that one is passed over by itself."""
    quick = QuickRecords(",", python=GOOD)

    assert quick.past_lines(DATA, 0, len(DATA)) == DATA.index(b'"')
    assert quick.past_record(DATA, DATA.index(b'"')) == DATA.index(b"d")


@pytest.mark.parametrize("python", [(3, 11, 0), (3, 11, 2), (3, 11, 4)])
def test_a_python_that_matches_wrongly_is_not_asked(python: tuple[int, ...]) -> None:
    """Everything is then read line by line."""
    quick = QuickRecords(",", python=python)

    assert quick.past_lines(DATA, 0, len(DATA)) == 0
    assert quick.past_record(DATA, 4) == 4


def test_a_delimiter_of_two_bytes_is_not_looked_for() -> None:
    """A pattern of bytes cannot leave out one character of two."""
    assert QuickRecords("§", python=GOOD).past_lines("a§1\n".encode(), 0, 5) == 0
