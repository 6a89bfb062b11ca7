"""One range of a file read alone: what it must be told, and what it must not judge."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from chalicelib.files.census import Census, joined
from chalicelib.files.cutting import Head
from chalicelib.files.layout import MOST_COLUMNS, Layout
from chalicelib.files.numbering import LONGEST_RECORD
from chalicelib.files.parts import read_part
from chalicelib.files.reader import Rows
from chalicelib.files.rejects import LONGEST_VALUE
from chalicelib.files.unpack import FileRefused


def layout(**changes: Any) -> Layout:
    """Two typed columns, both needed."""
    given: dict[str, Any] = {
        "format": "csv",
        "columns": {"id": "text", "pieces": "whole"},
        "names": {},
        "required": [["id"], ["pieces", "price"]],
    }
    return Layout(**{**given, **changes})


@contextmanager
def opened(folder: Path, data: bytes, head: Head, how: Layout | None = None) -> Iterator[Rows]:
    """A range as rows."""
    rows = read_part(
        [data], head, layout=how or layout(), most_bytes=1000, workdir=folder, memory_mb=128
    )
    try:
        yield rows
    finally:
        rows.close()


def test_a_range_is_read_behind_the_header(tmp_path: Path) -> None:
    """Its columns are those of the file, its numbers its own, its encoding that of the file."""
    with opened(tmp_path, b"\xe9,2\n", Head(b"id,pieces\r\n", 2, "latin-1")) as rows:
        assert list(rows.ordered_by("id")) == [(1, {"id": "é", "pieces": 2})]
        assert rows.census == Census(("id", "pieces"), 1, 1, (1, 1))


def test_without_a_header_the_file_says_how_many_columns_there_are(tmp_path: Path) -> None:
    """A range whose first record is too short is as wrong as it was in the whole."""
    how = layout(names={1: "id", 2: "pieces"}, header=False)

    with opened(tmp_path, b"short\na,2\n", Head(b"", 2, "utf-8"), how) as rows:
        assert [record for record, _ in rows.ordered_by()] == [2]
        assert [(each.record, each.reason) for each in rows.rejects] == [
            (1, "has fewer than 2 columns")
        ]


def test_a_range_of_blank_lines_has_no_records(tmp_path: Path) -> None:
    """Only a whole file must have some."""
    with opened(tmp_path, b"\n \n", Head(b"id,pieces\n", 2, "utf-8")) as rows:
        assert list(rows.ordered_by()) == []
        assert rows.census == Census(("id", "pieces"), 0, 0, (0, 0))


def test_a_mark_within_the_file_is_a_character(tmp_path: Path) -> None:
    """A byte-order mark is dropped where a file begins, not where a range does."""
    how = layout(format="jsonl")

    with opened(tmp_path, '\ufeff{"id": "a"}\n'.encode(), Head(b"", 1, "utf-8"), how) as rows:
        assert [reject.reason for reject in rows.rejects] == ["is not a JSON object"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\xff,2\n", "is not utf-8: byte 0xff"),
        (b"\0,2\n", "holds NUL characters"),
        (b"a,2\n" * 300, "is larger than 1000 bytes"),
    ],
)
def test_a_range_that_is_no_text_refuses_the_file(tmp_path: Path, data: bytes, reason: str) -> None:
    """Whoever cuts the file does not look; whoever reads the range does."""
    with (
        pytest.raises(FileRefused, match=reason),
        opened(tmp_path, data, Head(b"id,pieces\n", 2, "utf-8")),
    ):
        pass


def test_what_a_range_lacks_another_may_have(tmp_path: Path) -> None:
    """A field that is required refuses the file only when it is nowhere in it."""
    how = layout(format="jsonl")
    with opened(tmp_path, b'{"id": "a", "note": "x"}\n', Head(b"", 1, "utf-8"), how) as rows:
        lacking = rows.census
    with_pieces = Census(("id", "pieces", "Note"), 3, 2, (2, 1))

    whole = joined([lacking, with_pieces], how)

    assert lacking == Census(("id", "pieces", "note"), 1, 1, (1, 0))
    assert whole == Census(("id", "pieces", "Note", "note"), 4, 3, (3, 1))
    with pytest.raises(FileRefused, match="file: has no field pieces or price"):
        joined([lacking, lacking], how)


def test_ranges_may_not_have_too_many_fields_together() -> None:
    """As many as one range may have is the most for all of them."""
    how = layout(format="jsonl")
    parts = [
        Census(("id", "pieces", *(f"{part}{at}" for at in range(MOST_COLUMNS))), 1, 1, (1, 1))
        for part in ("a", "b")
    ]

    assert len(joined(parts[:1], how).fields) == MOST_COLUMNS + 2
    with pytest.raises(FileRefused, match=f"more than {MOST_COLUMNS} different fields"):
        joined(parts, how)


def test_ranges_without_records_are_a_file_without() -> None:
    """Blank lines after a header, however many ranges they fill."""
    with pytest.raises(FileRefused, match="holds no records"):
        joined([Census(("id", "pieces"), 0, 0, (0, 0))] * 2, layout())


def test_of_a_line_without_end_only_the_beginning_is_kept(tmp_path: Path) -> None:
    """It is one bad record, as in a whole file, and not a full disk."""
    longest_bytes = 0

    def chunks() -> Iterator[bytes]:
        nonlocal longest_bytes
        yield b"a,1\n"
        for _ in range(40):
            yield b"x" * (1 << 20)
            longest_bytes = max(longest_bytes, (tmp_path / "plain").stat().st_size)
        yield b"x\nb,2\n"

    rows = read_part(
        chunks(),
        Head(b"id,pieces\n", 2, "utf-8"),
        layout=layout(),
        most_bytes=1 << 30,
        workdir=tmp_path,
        memory_mb=128,
    )

    assert [(record, row["id"]) for record, row in rows.ordered_by()] == [(1, "a"), (3, "b")]
    assert [(each.record, each.reason, len(each.value)) for each in rows.rejects] == [
        (2, f"is longer than {LONGEST_RECORD} characters", LONGEST_VALUE)
    ]
    assert longest_bytes < 4 << 20
    rows.close()
