"""Where ranges of a text may begin: found in chunks of its bytes, in bounded memory."""

from __future__ import annotations

import codecs
from dataclasses import dataclass

from chalicelib.files.byte_lines import MoreNeeded, line_end, longest_line_bytes, read_record
from chalicelib.files.numbering import Snippet, Style, cells_of, header_names, record_problem
from chalicelib.files.quick_records import QuickRecords
from chalicelib.files.unpack import FileRefused

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Piece:
    """A range of a text that begins with a record.

    Attributes:
        number: counted from 1.
        start: its first byte, counted from 0.
        end: the byte behind its last.
    """

    number: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Head:
    """What every range of a file needs to be read by.

    Attributes:
        header: the bytes of the record that names the columns, with its line end; empty where
            none does.
        width: of a file without a header, how many columns its first good record has.
        encoding: of the ranges' bytes and of the header's.
    """

    header: bytes
    width: int
    encoding: str


class Cutter:
    """Cuts a text that comes in chunks.

    Attributes:
        begun: where the range at hand begins; None while the header is being read.
        settled: everything before this byte belongs to the range at hand, or to one before it.
    """

    def __init__(
        self,
        *,
        style: Style,
        delimiter: str,
        header: bool,
        encoding: str,
        target_bytes: int,
        marked: bool = True,
    ) -> None:
        """Begin a text; ``marked`` says that a byte-order mark at its beginning is dropped."""
        self.begun: int | None = None
        self.settled = 0
        self._style, self._delimiter, self._encoding = style, delimiter, encoding
        self._target_bytes = target_bytes
        self._wants_header = header
        self._wants_record = True  # nothing is passed over before the first good one
        self._header = b""
        self._width = 0
        self._records = False
        self._marked = marked and codecs.lookup(encoding).name == "utf-8"
        self._quick = QuickRecords(delimiter)
        self._data = b""  # from the byte at ``settled`` on
        self._final = False
        self._passing = False  # within a line that is too long
        self._past_the_mark = False
        self._ended: list[Piece] = []
        self._pieces = 0

    @property
    def head(self) -> Head:
        """What the ranges have in common, known when the text is finished."""
        return Head(self._header, self._width, self._encoding)

    def feed(self, chunk: bytes) -> list[Piece]:
        """Take the next bytes; returns the ranges that end in them.

        Raises FileRefused when the header cannot be read.
        """
        self._data += chunk
        return self._advance()

    def finish(self) -> list[Piece]:
        """Know that nothing follows; returns the last ranges.

        Raises FileRefused for a text without records.
        """
        self._final = True
        ended = self._advance()
        if not self._records:
            empty = not self._header
            raise FileRefused.of("file", "is empty" if empty else "holds no records")
        if self.begun is not None and self.begun < self.settled:
            ended.append(self._piece(self.settled))
        return ended

    def _advance(self) -> list[Piece]:
        self._ended = []
        at = self._past_mark()
        while 0 <= at < len(self._data):
            following = self._step(at)
            if following is None:
                break
            at = following
        self._data = self._data[max(at, 0) :]
        self.settled += max(at, 0)
        return self._ended

    def _past_mark(self) -> int:
        """Where to go on; -1 while it is not known how the text begins."""
        if self.begun is not None or self._past_the_mark:
            return 0
        if self._marked and len(self._data) < len(_BYTE_ORDER_MARK) and not self._final:
            return -1
        self._past_the_mark = True
        marked = self._marked and self._data.startswith(_BYTE_ORDER_MARK)
        start = len(_BYTE_ORDER_MARK) if marked else 0
        if not self._wants_header:
            self.begun = start
        return start

    def _step(self, at: int) -> int | None:
        """Go on from a byte; returns how far, None when more bytes are needed."""
        if self._passing:
            end = line_end(self._data, at, final=self._final)
            if end < 0:
                return self._rest(at)
            self._passing = False
            return self._record_ended(end)
        if self._wants_header or self._wants_record:
            return self._read_first(at)
        return self._skip_lines(at) if self._style != "quoted" else self._skip_records(at)

    def _read_first(self, at: int) -> int | None:
        """Read the header, and then records until a good one says how many columns there are."""
        found = self._read(at)
        if found is None:
            return None
        record, end = found
        if record.text.strip():
            if self._wants_header:
                header_names(record, self._style, self._delimiter)
                self._header, self._wants_header = self._data[at:end], False
                self.begun = self.settled + end
                return end
            self._count_columns(record)
        return self._pass_over(at) if end < 0 else self._record_ended(end)

    def _count_columns(self, record: Snippet) -> None:
        self._records = True
        if record.problem is None and record_problem(record.text, self._style) is None:
            self._width = len(cells_of(record.text, self._style, self._delimiter))
            self._wants_record = False

    def _skip_lines(self, at: int) -> int | None:
        """Go on to the end of the line at which the range ends; every line is a record."""
        last = max(self._goal() - 1, at)
        if last >= len(self._data):
            return len(self._data)
        end = line_end(self._data, last, final=self._final)
        return self._rest(at) if end < 0 else self._record_ended(end)

    def _skip_records(self, at: int) -> int | None:
        """Go on to the end of the range, to a line that holds a quote, or behind such lines."""
        data, goal = self._data, self._goal()
        quote = data.find(b'"', at)
        limit = len(data) if quote < 0 else quote
        if goal - 1 < limit and 0 <= (end := line_end(data, goal - 1, final=self._final)) <= limit:
            return self._record_ended(end)
        start = self._last_line(at, limit)
        if start > at:
            return start
        if quote < 0:
            return self._unfinished(at)
        end = self._quick.past_lines(data, at, min(goal, len(data)))
        if end == at:
            end = self._quick.past_record(data, at)
        if end > at:
            return self._record_ended(end)
        found = self._read(at)
        if found is None:
            return None
        _, end = found
        return self._pass_over(at) if end < 0 else self._record_ended(end)

    def _last_line(self, at: int, limit: int) -> int:
        """Where the last line before ``limit`` begins, as far as the bytes at hand say."""
        if limit == len(self._data) and self._data.endswith(b"\r") and not self._final:
            limit -= 1
        return max(self._data.rfind(end, at, limit) for end in (b"\n", b"\r")) + 1 or at

    def _unfinished(self, at: int) -> int | None:
        """The bytes at hand end within a line that has shown no quote yet."""
        if self._final:
            return self._record_ended(len(self._data))
        return self._pass_over(at) if len(self._data) - at > longest_line_bytes() else None

    def _read(self, at: int) -> tuple[Snippet, int] | None:
        try:
            return read_record(
                self._data,
                at,
                style=self._style,
                delimiter=self._delimiter,
                encoding=self._encoding,
                final=self._final,
            )
        except MoreNeeded:
            return None

    def _pass_over(self, at: int) -> int | None:
        self._passing = True
        return self._rest(at)

    def _rest(self, at: int) -> int | None:
        """Behind all bytes at hand, save a line end of which only half may be here."""
        end = len(self._data) - self._data.endswith(b"\r")
        return end if end > at else None

    def _goal(self) -> int:
        """Where the range at hand is long enough, counted from the bytes at hand."""
        return (self.begun or 0) + self._target_bytes - self.settled

    def _record_ended(self, at: int) -> int:
        """A record may begin here, and so may a range."""
        if self.begun is not None and self.settled + at - self.begun >= self._target_bytes:
            self._ended.append(self._piece(self.settled + at))
        return at

    def _piece(self, end: int) -> Piece:
        self._pieces += 1
        piece = Piece(self._pieces, self.begun or 0, end)
        self.begun = end
        return piece
