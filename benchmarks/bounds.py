"""What files near their bounds take: ``python -m benchmarks.bounds dense|orders|features``.

``dense`` cuts 3 MB of gzip that unpack to a gigabyte; the others work on one part of a divided
Parquet file, a single row group. Memory is the most that the process had, disk the most that its
folder held when it was looked at.
"""

from __future__ import annotations

import gzip
import io
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.cutting import CHUNK_BYTES, PARTITIONS, Nowhere
from chalicelib.documents import Documents
from chalicelib.files.claims import shuffle_claims
from chalicelib.files.cutting import recut
from chalicelib.files.parquet_file import check_parquet
from chalicelib.files.reader import Rows
from chalicelib.files.rejects import RejectSpool
from chalicelib.files.row_groups import (
    check_rows,
    copy_rows,
    fetch_footer,
    fetch_rows,
    plan_row_groups,
)
from chalicelib.files.shuffle import shuffle
from chalicelib.flows.drop_features import score_features
from chalicelib.flows.drop_layouts import Plan, plan_for
from chalicelib.scoring.load import load_scorer

MEMORY_MB = 512
MOST_BYTES = 512 << 20
RECORDS = {
    "orders": (
        9_000_000,
        "'o-' || i AS order_id, 'c-' || i % 3000000 AS customer_id,"
        " TIMESTAMP '2026-01-01' + INTERVAL (i % 300) DAY AS ordered_at, 1 AS quantity,"
        " 'USD' AS currency, (hash(i) % 9000) / 100.0 AS amount",
    ),
    "features": (
        9_500_000,
        "'c-' || i AS customer_id, (hash(i) % 900)::DOUBLE AS recency_days,"
        " (hash(i + 1) % 30)::DOUBLE AS frequency, (hash(i + 2) % 90000)::DOUBLE AS monetary_minor,"
        " (hash(i + 3) % 900)::DOUBLE AS tenure_days, (hash(i + 4) % 90)::DOUBLE AS mean_gap_days",
    ),
}
MAKE = """
import sys, duckdb
path, count, select = sys.argv[1:]
duckdb.execute(f"COPY (SELECT {select} FROM range({count}) AS every(i)) TO '{path}'"
               " (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 10000000)")
"""


def dense(_folder: Path) -> str:
    """Cut a gzip of one row, repeated."""
    row = b"o-1000001,c-100001,2026-01-01T00:00:00Z,1,USD,30.00\n"
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as file:
        file.write(b"order_id,customer_id,ordered_at,quantity,currency,amount\n")
        for _ in range(1_000):
            file.write(row * 20_000)
    data = packed.getvalue()
    plan = plan_for("orders/a.csv.gz", Documents().mapping)
    found = recut(
        (data[at : at + CHUNK_BYTES] for at in range(0, len(data), CHUNK_BYTES)),
        layout=plan.layout,
        compressed=True,
        encoding="utf-8",
        target_bytes=8_000_000,
        most_bytes=64_000_000_000,
        open_piece=Nowhere,
    )
    return f"{len(data):,} bytes unpack to {found.pieces[-1].end:,}"


def part_of(kind: str, folder: Path) -> str:
    """Work on a Parquet file of one row group as the range of a divided one."""
    source, sparse, target = folder / "dropped", folder / "sparse", folder / "source"
    count, select = RECORDS[kind]
    subprocess.run([sys.executable, "-c", MAKE, str(source), str(count), select], check=True)  # noqa: S603

    def fetch(start: int, end: int) -> Iterator[bytes]:
        with source.open("rb") as file:
            file.seek(start)
            while start < end:
                chunk = file.read(min(CHUNK_BYTES, end - start))
                start += len(chunk)
                yield chunk

    fetch_footer(sparse, size=source.stat().st_size, fetch=fetch)
    [part] = plan_row_groups(sparse, target_bytes=1, workdir=folder, memory_mb=MEMORY_MB)
    check_rows(sparse, part, most_bytes=MOST_BYTES, workdir=folder, memory_mb=MEMORY_MB)
    fetch_rows(sparse, part, fetch=fetch)
    copy_rows(sparse, part, target, workdir=folder, memory_mb=MEMORY_MB)
    sparse.unlink()
    plan = plan_for(f"{kind}/a.parquet", Documents().mapping)
    check_parquet(
        target,
        plan.layout,
        unfold=kind == "orders",
        workdir=folder / "footer",
        most_bytes=MOST_BYTES,
        memory_mb=MEMORY_MB,
    )
    (_shuffled if kind == "orders" else _scored)(target, plan, folder)
    return f"{count:,} rows"


def _shuffled(source: Path, plan: Plan, folder: Path) -> None:
    rows = Rows(source, plan.layout, workdir=folder, memory_mb=MEMORY_MB, part_width=0)
    shuffle(
        rows, "customer_id", partitions=PARTITIONS, target=folder / "by-customer", workdir=folder
    )
    shuffle_claims(
        rows,
        "order_id",
        "customer_id",
        partitions=PARTITIONS,
        target=folder / "by-order",
        workdir=folder,
    )
    rows.close()


def _scored(source: Path, plan: Plan, folder: Path) -> None:
    score_features(
        source,
        plan.layout,
        scorer=load_scorer("portable", Documents().model("cdnow-1.0.0")),
        target=folder / "scores",
        rejects=RejectSpool(folder / "rejected"),
        workdir=folder,
        memory_mb=MEMORY_MB,
    )


def watched(work: Callable[[Path], str]) -> str:
    """Do some work in a folder, and say what it took; the dropped file itself is not counted."""
    ended, held = threading.Event(), [0]
    with TemporaryDirectory() as name:
        folder = Path(name)

        def look() -> None:
            while not ended.wait(0.05):
                sizes = [_size(each) for each in folder.rglob("*") if each.name != "dropped"]
                held[0] = max(held[0], sum(sizes))

        looker = threading.Thread(target=look)
        looker.start()
        try:
            begun = time.process_time()
            told = work(folder)
            seconds = time.process_time() - begun
        finally:
            ended.set()
            looker.join()
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    return f"{told}: {peak_mb} MB of memory, {held[0] >> 20} MB of disk, {seconds:.1f} CPU seconds"


def _size(path: Path) -> int:
    try:
        return path.stat().st_blocks * 512
    except OSError:  # gone since it was listed
        return 0


def main(kind: str) -> None:
    """Measure one of the three."""
    if kind == "dense":
        print(watched(dense))
    elif kind in RECORDS:
        print(watched(lambda folder: part_of(kind, folder)))
    else:
        raise SystemExit("name dense, orders or features")


if __name__ == "__main__":
    main(*sys.argv[1:2] or [""])
