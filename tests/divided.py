"""A file read in parts, as the workers of a divided drop read it, on one disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from chalicelib.files.census import Census, joined
from chalicelib.files.claims import settle_claims, shuffle_claims
from chalicelib.files.cutting import Cut, Head, Piece, cut
from chalicelib.files.layout import Layout
from chalicelib.files.parts import read_part
from chalicelib.files.rejects import Reject, RejectSpool
from chalicelib.files.shuffle import Blob, Ranges, ShuffledRows, shuffle
from chalicelib.files.typed_rows import TypedRows
from chalicelib.flows.drop_person import Person

MEMORY_MB = 128
PeopleIn = Callable[[TypedRows, RejectSpool], Iterator[Person]]


@dataclass(frozen=True, slots=True)
class Part:
    """What is left of one part: its blobs, and what it told."""

    census: Census
    rejects: list[Reject]
    rows: tuple[Path, Ranges]
    claims: tuple[Path, Ranges]


@dataclass(frozen=True, slots=True)
class Divided:
    """A file in parts, partitions and folders."""

    folder: Path
    layout: Layout
    partitions: int

    def people(self, data: bytes, read: PeopleIn, *, target_bytes: int) -> _Found:
        """Everything that the parts and then the partitions find."""
        found: Cut = cut([data], layout=self.layout, encoding="utf-8", target_bytes=target_bytes)
        parts = [self._part(found.head, piece, data) for piece in found.pieces]
        whole = joined([part.census for part in parts], self.layout)
        offsets = [sum(part.census.records for part in parts[:at]) for at in range(len(parts))]
        verdicts = [self._settle(parts, offsets, at) for at in range(self.partitions)]
        people: list[Person] = []
        rejects = [
            Reject(offset + each.record, each.column, each.value, each.reason)
            for part, offset in zip(parts, offsets, strict=True)
            for each in part.rejects
        ]
        for at in range(self.partitions):
            workdir = self._new(f"partition-{at}")
            rows = ShuffledRows(
                _blobs(workdir, [part.rows for part in parts], parts, offsets, at),
                fields=whole.fields,
                layout=self.layout,
                verdicts=[_copied(path, workdir) for path in verdicts],
                workdir=workdir,
                memory_mb=MEMORY_MB,
            )
            spool = RejectSpool(workdir / "rejected")
            people += read(rows, spool)
            rejects += spool
            rows.close()
            spool.close()
        return _Found(whole, people, rejects)

    def _part(self, head: Head, piece: Piece, data: bytes) -> Part:
        workdir = self._new(f"part-{piece.number}")
        rows = read_part(
            [data[piece.start : piece.end]],
            head,
            layout=self.layout,
            most_bytes=1 << 20,
            workdir=workdir,
            memory_mb=MEMORY_MB,
        )
        by_customer, by_order = workdir / "rows", workdir / "claims"
        shuffled = shuffle(
            rows, "customer_id", partitions=self.partitions, target=by_customer, workdir=workdir
        )
        claimed = shuffle_claims(
            rows,
            "order_id",
            "customer_id",
            partitions=self.partitions,
            target=by_order,
            workdir=workdir,
        )
        part = Part(rows.census, list(rows.rejects), (by_customer, shuffled), (by_order, claimed))
        rows.close()
        return part

    def _settle(self, parts: list[Part], offsets: list[int], at: int) -> Path:
        workdir = self._new(f"settle-{at}")
        target = workdir / f"verdicts-{at}"
        blobs = _blobs(workdir, [part.claims for part in parts], parts, offsets, at)
        settle_claims(blobs, target, workdir=workdir, memory_mb=MEMORY_MB)
        return target

    def _new(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir()
        return folder


@dataclass(frozen=True, slots=True)
class _Found:
    census: Census
    people: list[Person]
    rejects: list[Reject]


def _blobs(
    workdir: Path,
    written: list[tuple[Path, Ranges]],
    parts: list[Part],
    offsets: list[int],
    at: int,
) -> list[Blob]:
    """One partition of every part, where it has any of it."""
    blobs = []
    for number, ((path, ranges), part, offset) in enumerate(
        zip(written, parts, offsets, strict=True)
    ):
        start, end = ranges[at]
        if start < end:
            blob = workdir / f"blob-{number}"
            blob.write_bytes(path.read_bytes()[start:end])
            blobs.append(Blob(blob, offset, part.census.fields))
    return blobs


def _copied(path: Path, workdir: Path) -> Path:
    copy = workdir / path.name
    copy.write_bytes(path.read_bytes())
    return copy
