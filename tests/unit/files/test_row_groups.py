"""Parquet in ranges of row groups: a worker reads its rows in a file that is mostly empty."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pytest

from chalicelib.files.row_groups import (
    RowRange,
    copy_rows,
    fetch_footer,
    fetch_rows,
    plan_row_groups,
)
from chalicelib.files.unpack import FileRefused

MEMORY_MB = 128
GROUP = 2048  # the fewest rows that DuckDB writes as a row group
ROWS = 5 * GROUP + 7


@dataclass
class Stored:
    """A file that is read by ranges, and what was asked for."""

    body: bytes
    asked: list[tuple[int, int]] = field(default_factory=list)

    def fetch(self, start: int, end: int) -> Iterator[bytes]:
        """Its bytes between two places, in two chunks."""
        self.asked.append((start, end))
        middle = (start + end) // 2
        yield self.body[start:middle]
        yield self.body[middle:end]


@pytest.fixture
def stored(tmp_path: Path) -> Stored:
    """Six row groups of two columns, one of which needs a dictionary."""
    path = tmp_path / "original"
    duckdb.execute(
        f"COPY (SELECT i AS number, 'word ' || i % 7 AS word FROM range({ROWS}) AS every(i))"  # noqa: S608
        f" TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE {GROUP})"
    )
    return Stored(path.read_bytes())


def planned(stored: Stored, folder: Path, *, target_bytes: int) -> tuple[RowRange, ...]:
    """The ranges, found with nothing but the footer."""
    sparse = folder / "sparse"
    fetch_footer(sparse, size=len(stored.body), fetch=stored.fetch)
    return plan_row_groups(sparse, target_bytes=target_bytes, workdir=folder, memory_mb=MEMORY_MB)


@pytest.mark.parametrize(("target_bytes", "groups"), [(1, 1), (1 << 20, 6)])
def test_row_groups_come_together_until_they_are_long_enough(
    stored: Stored, tmp_path: Path, target_bytes: int, groups: int
) -> None:
    """Every row is in one range, in order; to plan them costs the footer and nothing else."""
    ranges = planned(stored, tmp_path, target_bytes=target_bytes)

    assert len(ranges) == -(-6 // groups)
    assert [each.number for each in ranges] == list(range(1, len(ranges) + 1))
    assert [each.first for each in ranges] == [
        sum(before.rows for before in ranges[:at]) for at in range(len(ranges))
    ]
    assert sum(each.rows for each in ranges) == ROWS
    assert min(start for start, _ in stored.asked) > ranges[-1].end


@pytest.mark.parametrize("target_bytes", [1, 20_000, 1 << 20])
def test_a_range_is_read_with_nothing_but_its_own_bytes(
    stored: Stored, tmp_path: Path, target_bytes: int
) -> None:
    """Values, types and order are those of the original."""
    found: list[tuple[int, str]] = []
    for part in planned(stored, tmp_path, target_bytes=target_bytes):
        workdir = tmp_path / str(part.number)
        workdir.mkdir()
        sparse, target = workdir / "sparse", workdir / "rows"
        fetch_footer(sparse, size=len(stored.body), fetch=stored.fetch)
        stored.asked.clear()
        fetch_rows(sparse, part, fetch=stored.fetch)
        copy_rows(sparse, part, target, workdir=workdir, memory_mb=MEMORY_MB)
        assert stored.asked == [(part.start, part.end)]
        rows = duckdb.read_parquet(str(target))
        assert rows.columns == ["number", "word"]
        assert rows.types == ["BIGINT", "VARCHAR"]
        found += rows.fetchall()

    assert found == [(number, f"word {number % 7}") for number in range(ROWS)]


def test_a_range_whose_bytes_are_missing_fails(stored: Stored, tmp_path: Path) -> None:
    """Zeros are no page: what was not fetched is never taken for values."""
    part = planned(stored, tmp_path, target_bytes=1)[2]

    with pytest.raises(FileRefused):
        copy_rows(
            tmp_path / "sparse", part, tmp_path / "rows", workdir=tmp_path, memory_mb=MEMORY_MB
        )


@pytest.mark.parametrize(
    "damage",
    [
        lambda body: b"",
        lambda body: b"PAR1",
        lambda body: body[:-1],
        lambda body: body[:-8] + b"\xff\xff\xff\x7fPAR1",
        lambda body: body[:-4] + b"PARE",
        lambda body: body[:-900] + b"\xff" * 892 + body[-8:],
        lambda body: b"customer_id\nc-1\n",
    ],
)
def test_what_is_no_parquet_is_refused(
    stored: Stored, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    """Empty, cut off, encrypted or damaged: refused as a file, before any row of it counts."""
    broken = Stored(damage(stored.body))

    with pytest.raises(FileRefused, match=r"^file: "):
        planned(broken, tmp_path, target_bytes=1)


def test_a_parquet_without_rows_is_refused(tmp_path: Path) -> None:
    """As a text without records is."""
    path = tmp_path / "original"
    duckdb.execute(f"COPY (SELECT 1 AS a LIMIT 0) TO '{path}' (FORMAT parquet)")

    with pytest.raises(FileRefused, match="holds no records"):
        planned(Stored(path.read_bytes()), tmp_path, target_bytes=1)


def test_an_object_that_became_shorter_is_refused(stored: Stored, tmp_path: Path) -> None:
    """Bytes that do not come are not zeros."""
    part = planned(stored, tmp_path, target_bytes=1)[0]

    with pytest.raises(FileRefused, match="shorter"):
        fetch_rows(tmp_path / "sparse", part, fetch=lambda start, end: [b"x"])
