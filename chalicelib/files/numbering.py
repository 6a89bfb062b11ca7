"""Text cut into records, each with its number before it.

So whatever becomes of a record, and whoever refuses it, its number is known.

A record number counts data records from 1, header and blank lines aside. A quoted value may hold
line breaks; a quote that is never closed, or closed in the middle of a value, costs the line it
stands in and nothing after it, although a CSV parser left to itself would swallow the rest.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, NamedTuple

from chalicelib.files.rejects import Reject
from chalicelib.files.unpack import FileRefused

# A longer line is no record of ours, and would not fit into memory many times.
LONGEST_RECORD = 1 << 20
# A quoted value with more line breaks than this lost its closing quote.
MOST_QUOTED_LINES = 200
# Before a record that is one line: JSON allows no such character, so it cannot be part of one.
UNIT_SEPARATOR = "\x1f"

Style = Literal["quoted", "aligned", "lines"]


# What is wrong, the header, and the values of a record with too many or too few of them.
Uneven = Callable[[Reject, Sequence[str] | None, Sequence[str]], None]


class Snippet(NamedTuple):
    """A line or a record, or what there is of it, and what is wrong with it."""

    text: str
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Numbered:
    """What a text was cut into.

    Attributes:
        header: the names of the columns, None without a header.
        width: how many columns the first record has.
        records: how many there are, refused ones included.
        refused: how many of them could not be cut out.
    """

    header: list[str] | None
    width: int
    records: int
    refused: int


def number_records(
    plain: Path,
    target: Path,
    *,
    style: Style,
    delimiter: str,
    header: bool,
    refuse: Callable[[Reject], None],
    width: int = 0,
    uneven: Uneven | None = None,
) -> Numbered:
    """Write each record of ``plain`` with its number as a first column to ``target``.

    Args:
        plain: UTF-8 text with any line ends.
        target: gets one record after the other, each ended by a line feed.
        style: ``quoted`` is CSV; ``aligned`` has columns set apart by blanks, which become tabs;
            ``lines`` has one record a line, whatever it holds.
        delimiter: stands between the number and the record, and in CSV between the columns.
        header: whether the first record names the columns.
        refuse: is told of each record that cannot be cut out.
        width: how many columns there are, where the first record of another part has said it.
        uneven: is told of each record that has not as many columns as the header (or the first
            record, where there is none), and of header and values; these are then refused, too.

    Raises:
        FileRefused: the header cannot be read.
    """
    names: list[str] | None = None
    count = refused = 0
    with (
        plain.open(encoding="utf-8", newline="") as text,
        target.open("w", encoding="utf-8", newline="") as out,
    ):
        pieces = records_in(text, style, delimiter)
        if header and (first := next(pieces, None)) is not None:
            names = header_names(first, style, delimiter)
        for count, piece in enumerate(pieces, 1):
            record = "\t".join(piece.text.split()) if style == "aligned" else piece.text
            problem = piece.problem or record_problem(record, style)
            if problem is not None:
                refused += 1
                refuse(Reject(count, "", record, problem))
                continue
            if not width:
                width = len(cells_of(record, style, delimiter))
            wanted = width if names is None else len(names)
            if uneven is not None and (fault := _uneven(record, style, delimiter, wanted)):
                refused += 1
                cells = _split(record, style, delimiter) or ()
                uneven(Reject(count, "", record, fault), names, cells)
                continue
            out.write(f"{count}{delimiter}{record}\n")
    return Numbered(names, width, count, refused)


def records_in(text: IO[str], style: Style, delimiter: str) -> Iterator[Snippet]:
    """The records of a text, header included, blank lines aside."""
    return _quoted(text, delimiter) if style == "quoted" else _single(text)


def header_of(plain: Path, *, delimiter: str) -> list[str] | None:
    """The names of a CSV's columns, None where it has no record at all; raises FileRefused."""
    with plain.open(encoding="utf-8", newline="") as text:
        first = next(_quoted(text, delimiter), None)
    return None if first is None else header_names(first, "quoted", delimiter)


def header_names(first: Snippet, style: Style, delimiter: str) -> list[str]:
    """The names of the columns; raises FileRefused when the header cannot be read."""
    if first.problem is not None:
        raise FileRefused.of("header", "cannot be read: " + first.problem)
    return [name.strip() for name in cells_of(first.text, style, delimiter)]


def cells_of(record: str, style: Style, delimiter: str) -> list[str]:
    """The values of a record; raises FileRefused when one of the first record's is too long."""
    cells = _split(record, style, delimiter)
    if cells is None:
        raise FileRefused.of("header", "has a value that is too long")
    return cells


def _split(record: str, style: Style, delimiter: str) -> list[str] | None:
    """The values of a record, blanks before them aside; None when one is too long to be any."""
    match style:
        case "quoted":
            try:
                return next(csv.reader([record], delimiter=delimiter, skipinitialspace=True), [])
            except csv.Error:
                return None
        case "aligned":
            return record.split()
        case "lines":
            return [record]


def record_problem(record: str, style: Style) -> str | None:
    """What is wrong with a record that was cut out, None when nothing is."""
    if style == "lines" and UNIT_SEPARATOR in record:
        return "holds a control character"
    return None


def _uneven(record: str, style: Style, delimiter: str, wanted: int) -> str | None:
    """What is wrong with how many columns a record has."""
    if style == "quoted" and '"' not in record:  # no quote hides a delimiter
        return wrong_width(record.count(delimiter) + 1, wanted)
    cells = _split(record, style, delimiter)
    return "has a value that is too long" if cells is None else wrong_width(len(cells), wanted)


def wrong_width(found: int, width: int) -> str | None:
    """What is wrong with a record that has so many columns; None when it has as many as it must."""
    if found == width:
        return None
    return f"has {'more' if found > width else 'fewer'} than {width} columns"


def _lines(text: IO[str]) -> Iterator[Snippet]:
    """Lines without their ends; of one that is too long only the beginning."""
    while line := text.readline(LONGEST_RECORD + 1):
        if len(line) <= LONGEST_RECORD:
            yield Snippet(line.rstrip("\r\n"))
            continue
        too_long = overlong(line)
        while line and not line.endswith(("\n", "\r")):
            line = text.readline(LONGEST_RECORD)
        yield too_long


def overlong(line: str) -> Snippet:
    """What is kept of a line that is too long."""
    return Snippet(line[:1_000], f"is longer than {LONGEST_RECORD} characters")


def _single(text: IO[str]) -> Iterator[Snippet]:
    return (piece for piece in _lines(text) if piece.text.strip())


def _quoted(text: IO[str], delimiter: str) -> Iterator[Snippet]:
    """Records of a CSV: a line, or several where a quoted value holds line breaks."""
    lines = _lines(text)
    waiting: deque[Snippet] = deque()
    while True:
        if not waiting:
            following = next(lines, None)
            if following is None:
                return
            waiting.append(following)
        first = waiting.popleft()
        if '"' not in first.text or first.problem is not None:
            if first.text.strip():
                yield first
            continue
        yield whole_record(first, waiting, lines, delimiter)


def whole_record(
    first: Snippet, waiting: deque[Snippet], lines: Iterator[Snippet], delimiter: str
) -> Snippet:
    """The record that begins with a line; lines that do not belong to it are left waiting."""
    taken, length = [first.text], len(first.text)
    state = _scan(first.text, delimiter, inside=False)
    while state == "open" and len(taken) <= MOST_QUOTED_LINES and length <= LONGEST_RECORD:
        if len(taken) > len(waiting):
            following = next(lines, None)
            if following is None:
                break
            waiting.append(following)
        piece = waiting[len(taken) - 1]
        if piece.problem is not None:
            break
        taken.append(piece.text)
        length += len(piece.text) + 1
        state = _scan(piece.text, delimiter, inside=True)
    if state != "whole" or length > LONGEST_RECORD:
        return Snippet(first.text, "has a quote that is not closed, or stands within a value")
    for _ in taken[1:]:
        waiting.popleft()
    return Snippet("\n".join(taken))


def _scan(line: str, delimiter: str, *, inside: bool) -> Literal["whole", "open", "broken"]:
    """Whether every quoted value is closed, one is still open, or one ends in mid-value.

    A quote opens a value only at its beginning, blanks aside: 27" is a value like any other.
    ``inside`` says that the line begins within a quoted value.
    """
    at, end = 0, len(line)
    while True:
        if not inside:
            at = _past_blanks(line, at)
            inside = line[at : at + 1] == '"'
            at += inside
        if inside:
            close = _closing_quote(line, at)
            if close < 0:
                return "open"
            at, inside = _past_blanks(line, close + 1), False
            if at == end:
                return "whole"
            if line[at] != delimiter:
                return "broken"
        else:
            at = line.find(delimiter, at)
            if at < 0:
                return "whole"
        at += 1


def _past_blanks(record: str, at: int) -> int:
    while record[at : at + 1] == " ":
        at += 1
    return at


def _closing_quote(record: str, at: int) -> int:
    """Where the value that is open at ``at`` is closed, doubled quotes aside; -1 when it is not."""
    while (at := record.find('"', at)) >= 0 and record[at + 1 : at + 2] == '"':
        at += 2
    return at
