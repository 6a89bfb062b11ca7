"""For any text at all: as many rows and rejects as records, each under its own number."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.files.reader import Layout, Rows

# Everything that a CSV reader can stumble over, and a little of what it cannot.
_STUMBLING = st.text(alphabet="\",;\n\r\t '\\ab1.-é\x1f\x0b\u2028", max_size=60)
_CELL = st.text(alphabet="\",;\n\r' ab1.é\u2028", min_size=1, max_size=8).filter(str.strip)
# Each example opens a database on disk.
_FEW = settings(
    max_examples=max(15, settings.default.max_examples // 4) if settings.default else 15
)


def read(text: str, layout: Layout) -> tuple[int, dict[int, dict[str, object]], list[int]]:
    """How many records, the rows by number, and the numbers of the rejects."""
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder, "plain")
        plain.write_text(text, encoding="utf-8", newline="")
        rows = Rows(plain, layout, workdir=Path(folder), memory_mb=128)
        try:
            found = dict(rows.ordered_by())
            return rows.count, found, [reject.record for reject in rows.rejects]
        finally:
            rows.close()


@_FEW
@given(rows=st.lists(st.tuples(_CELL, _CELL), min_size=1, max_size=8), windows=st.booleans())
def test_what_a_csv_writer_wrote_comes_back(rows: list[tuple[str, str]], windows: bool) -> None:
    """Any values, quoted as they should be, are read as they were, under their numbers."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n" if windows else "\n", quoting=csv.QUOTE_ALL)
    writer.writerows([("a", "b"), *rows])
    layout = Layout("csv", {"a": "text"}, {}, [["a"]])

    count, found, rejects = read(text.getvalue(), layout)

    assert (count, rejects) == (len(rows), [])
    assert found == {
        number: {"a": _plain(a), "b": _plain(b)} for number, (a, b) in enumerate(rows, 1)
    }


@_FEW
@given(text=_STUMBLING)
def test_no_record_of_any_csv_is_lost(text: str) -> None:
    """However broken: rows and rejects together are the records, each once."""
    layout = Layout("csv", {"a": "amount"}, {}, [["a"]])

    count, found, rejects = read("a,b\n0,x\n" + text, layout)

    assert sorted([*found, *rejects]) == list(range(1, count + 1))


@_FEW
@given(text=_STUMBLING, objects=st.lists(st.integers(0, 9), min_size=1, max_size=4))
def test_no_line_of_any_json_is_lost(text: str, objects: list[int]) -> None:
    """As above, for JSON Lines; whatever comes before them, good objects are read."""
    lines = "\n".join([text, *(f'{{"a": {number}}}' for number in objects)])
    layout = Layout("jsonl", {"a": "amount"}, {}, [["a"]])

    count, found, rejects = read(lines, layout)

    assert sorted([*found, *rejects]) == list(range(1, count + 1))
    assert [row["a"] for row in found.values()][-len(objects) :] == objects


def _plain(value: str) -> str:
    """Line breaks within a value come out as plain ones."""
    return value.replace("\r\n", "\n").replace("\r", "\n")
