"""Records read out of bytes of which more may come, by the rules of ``numbering``."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from chalicelib.files import numbering
from chalicelib.files.numbering import Snippet, Style, overlong, whole_record

# What a character of UTF-8 takes at most; of the other encodings that are cut, one.
_CHARACTER_BYTES = 4


class MoreNeeded(Exception):
    """The bytes at hand do not say where the record ends."""


def longest_line_bytes() -> int:
    """A line of more bytes than this is too long for a record, whatever its characters."""
    return _CHARACTER_BYTES * numbering.LONGEST_RECORD


def line_end(data: bytes, at: int, *, final: bool) -> int:
    """Where the line ends that ``at`` is in, its line end included; -1 when more is needed.

    The last line of a text needs no line end.
    """
    feed = data.find(b"\n", at)
    back = data.find(b"\r", at, len(data) if feed < 0 else feed)
    if back < 0:
        if feed < 0:
            return len(data) if final else -1
        return feed + 1
    if back + 1 == len(data):
        return len(data) if final else -1
    return back + 2 if data[back + 1] == 0x0A else back + 1


def read_record(
    data: bytes, at: int, *, style: Style, delimiter: str, encoding: str, final: bool
) -> tuple[Snippet, int]:
    """The record or blank line that begins at ``at``, and where it ends.

    The end is -1 for a line that is too long and does not end in the bytes at hand. Raises
    MoreNeeded.
    """
    ends: list[int] = []
    lines = _lines(data, at, encoding=encoding, final=final, ends=ends)
    first = next(lines)
    if style != "quoted" or '"' not in first.text or first.problem is not None:
        return first, ends[0]
    waiting: deque[Snippet] = deque()
    record = whole_record(first, waiting, lines, delimiter)
    return record, ends[len(ends) - len(waiting) - 1]


def _lines(
    data: bytes, at: int, *, encoding: str, final: bool, ends: list[int]
) -> Iterator[Snippet]:
    while at < len(data) or not final:
        end = line_end(data, at, final=final)
        if end < 0:
            if len(data) - at <= longest_line_bytes():
                raise MoreNeeded
            ends.append(-1)
            yield overlong(data[at : at + longest_line_bytes()].decode(encoding, "replace"))
            return
        line = data[at : min(end, at + longest_line_bytes() + 1)].decode(encoding, "replace")
        ends.append(end)
        if len(line) > numbering.LONGEST_RECORD:
            yield overlong(line)
        else:
            yield Snippet(line.rstrip("\r\n"))
        at = end
