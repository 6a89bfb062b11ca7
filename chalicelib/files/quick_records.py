"""Records of a CSV passed over by a pattern, where it is sure that they are whole."""

from __future__ import annotations

import re
import sys

from chalicelib.files import numbering

# A longer record is read line by line: a quote that is never closed must not cost all that follows.
_QUICK_BYTES = 64 << 10
# Before, a possessive quantifier over a pattern with alternatives may match too much or too little
# (https://github.com/python/cpython/issues/106052). Debian 12 has 3.11.2, and Lambda a later one.
_POSSESSIVE_SINCE = (3, 11, 5)
_NOTHING = re.compile(rb"(?!)")


class QuickRecords:
    """Takes what ``numbering`` would take for whole, too, and stops before what it is not sure of.

    That is a stray quote, a record that is not ended, one that is long; and everything when the
    delimiter takes more than one byte, or this Python matches wrongly.
    """

    def __init__(self, delimiter: str, *, python: tuple[int, ...] = sys.version_info[:3]) -> None:
        """Know what stands between two values, and which Python looks for it."""
        mark = delimiter.encode()
        if len(mark) > 1 or python < _POSSESSIVE_SINCE:
            self._lines = self._record = _NOTHING
            return
        self._lines = re.compile(rb"(?:%b)*+" % _record(re.escape(mark), rb'[^"\r\n]'))
        self._record = re.compile(_record(re.escape(mark), rb'[^"]'))

    def past_lines(self, data: bytes, at: int, limit: int) -> int:
        """Behind all records and blank lines from ``at`` on that are a line each."""
        found = self._lines.match(data, at, limit)
        return at if found is None else found.end()

    def past_record(self, data: bytes, at: int) -> int:
        """Behind the record at ``at``, which may hold line breaks; ``at`` when it is unsure."""
        longest = min(_QUICK_BYTES, numbering.LONGEST_RECORD)
        found = self._record.match(data, at, min(at + longest, len(data)))
        if found is None:
            return at
        breaks = data.count(b"\n", at, found.end()) + data.count(b"\r", at, found.end())
        return found.end() if breaks <= numbering.MOST_QUOTED_LINES else at


def _record(mark: bytes, within_quotes: bytes) -> bytes:
    quoted = rb'"(?:%b++|"")*+" *+' % within_quotes
    cell = rb' *+(?:%b|[^"%b\r\n][^%b\r\n]*+)?+' % (quoted, mark, mark)
    return rb"%b(?:%b%b)*+(?:\r\n|\n|\r(?=[^\n]))" % (cell, mark, cell)
