"""One quick look over a text: whether each line of it is a record, so that nobody has to cut it.

What looks like that is read where it lies, many times faster than record by record; everything
else is cut and numbered first (``numbering``). The answer errs on one side only: a text that is
called plain is one that both ways read alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from chalicelib.files.numbering import LONGEST_RECORD, UNIT_SEPARATOR

# With a line end in every piece of this size, no line has as many bytes as a record may have
# characters.
_PIECE_BYTES = LONGEST_RECORD // 2
LONGEST_PLAIN_BYTES = 2 * _PIECE_BYTES
# A value that begins with a quote, ends with the next one, and holds no line end. Where all quotes
# of a line belong to such values, each stands between delimiters, and the line is one record.
_QUOTED = re.compile(rb'(?:^|(?<=,))"[^"\r\n]*"(?=[,\r\n]|\Z)', re.MULTILINE)

LineEnd = Literal["\\n", "\\r\\n"]


@dataclass(frozen=True, slots=True)
class PlainLines:
    """A text whose lines are its records, empty ones aside.

    Attributes:
        lines: how many there are, a header among them.
        line_end: of every line, as DuckDB writes it.
        ascii_only: whether no character is beyond ASCII.
        says_true: whether the words true or false stand anywhere in JSON Lines; among typed
            numbers DuckDB takes them for 1 and 0.
    """

    lines: int
    line_end: LineEnd
    ascii_only: bool
    says_true: bool = False


def survey(path: Path, *, quoted: bool) -> PlainLines | None:
    """Look over UTF-8 text; None where it has to be cut record by record.

    Args:
        path: the text, without a byte-order mark.
        quoted: whether it is a CSV with commas, whose quotes mean something. Otherwise no line may
            hold the character that sets a record apart from its number.
    """
    lines = 0
    ascii_only, says_true, last, crlf = True, False, b"\n", None
    for piece in _pieces(path):
        ends = piece.count(b"\n")
        pairs = piece.count(b"\r\n") if b"\r" in piece else 0
        if crlf is None:
            crlf = pairs > 0
        if not _ends_alike(piece, ends, pairs, crlf=crlf) or not _within_lines(piece, quoted):
            return None
        if not ends and len(piece) >= _PIECE_BYTES:
            return None
        ascii_only = ascii_only and piece.isascii()
        says_true = says_true or (not quoted and (b"true" in piece or b"false" in piece))
        lines += ends
        last = piece[-1:]
    line_end: LineEnd = "\\r\\n" if crlf else "\\n"
    return PlainLines(lines + (last != b"\n"), line_end, ascii_only, says_true)


def _pieces(path: Path) -> Iterator[bytes]:
    """The bytes, each piece but the last ended by a line end where there is one."""
    rest = b""
    with path.open("rb") as file:
        while read := file.read(_PIECE_BYTES - len(rest)):
            piece = rest + read
            cut = piece.rfind(b"\n") + 1 or len(piece)
            rest = piece[cut:]
            yield piece if cut == len(piece) else piece[:cut]
    if rest:
        yield rest


def _ends_alike(piece: bytes, ends: int, pairs: int, *, crlf: bool) -> bool:
    """Whether every line ends as the first does.

    Whether some are empty would cost as much again: who reads the lines finds too few records.
    """
    if crlf:
        return pairs == ends == piece.count(b"\r")
    return b"\r" not in piece


def _within_lines(piece: bytes, quoted: bool) -> bool:
    """Whether nothing within the lines stands in the way."""
    if not quoted:
        return UNIT_SEPARATOR.encode() not in piece
    return b'"' not in piece or piece.count(b'"') == 2 * len(_QUOTED.findall(piece))
