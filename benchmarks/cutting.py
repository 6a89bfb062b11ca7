"""How fast big files are cut, and what one range costs after: ``python -m benchmarks.cutting``."""

from __future__ import annotations

import csv
import gzip
import io
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from chalicelib.files.claims import shuffle_claims
from chalicelib.files.cutting import cut, recut
from chalicelib.files.layout import Layout
from chalicelib.files.parts import read_part
from chalicelib.files.shuffle import shuffle
from chalicelib.flows.drop_layouts import plan_for

CHUNK_BYTES = 1 << 20
TARGET_BYTES = 16_000_000
RANGE_BYTES = 64_000_000
PARTITIONS = 64
COLUMNS = ("order_id", "customer_id", "ordered_at", "quantity", "currency", "unit_price", "sku")


def rows(count: int, note: Callable[[int], str] = lambda at: f"sku-{at % 500}") -> Iterator[Any]:
    """Orders, two rows each."""
    for at in range(count):
        price = f"{at % 900}.{at % 100:02}"
        customer = at * 7919 % 100_003
        yield (
            f"o-{at // 2}",
            f"c-{customer}",
            "2026-01-02T03:04:05Z",
            at % 7,
            "EUR",
            price,
            note(at),
        )


def as_csv(found: Iterator[Any], *, quoting: Any = csv.QUOTE_MINIMAL) -> bytes:
    """Rows as an export writes them."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n", quoting=quoting)
    writer.writerow(COLUMNS)
    writer.writerows(found)
    return text.getvalue().encode()


class Nowhere:
    """Takes the bytes of a range and keeps none."""

    def __init__(self, number: int) -> None:
        """Whatever its number."""

    def write(self, data: bytes, /) -> None:
        """Forget them."""

    def close(self) -> None:
        """Nothing to do."""

    def abort(self) -> None:
        """Nothing to do."""


def chunks(data: bytes, times: int = 1) -> Iterator[bytes]:
    """A stream that says the same several times."""
    for _ in range(times):
        for at in range(0, len(data), CHUNK_BYTES):
            yield data[at : at + CHUNK_BYTES]


def seconds(work: Callable[[], object]) -> float:
    """CPU time of the process."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def main() -> None:
    """Measure, and say it in two tables."""
    how = plan_for("orders/x.csv", lambda _: None).layout
    lines = plan_for("orders/x.jsonl", lambda _: None).layout
    texts: dict[str, tuple[bytes, Layout, int]] = {
        "CSV without quotes": (as_csv(rows(50_000)), how, 400),
        "CSV, every value quoted": (as_csv(rows(50_000), quoting=csv.QUOTE_ALL), how, 20),
        "CSV, every tenth line quoted": (
            as_csv(rows(50_000, lambda at: "sku-1" if at % 10 else 'a "sku", so to speak')),
            how,
            20,
        ),
        "CSV, every record two lines": (as_csv(rows(50_000, lambda at: "sku\n1")), how, 2),
        "JSON Lines": (b'{"order_id": "o-1", "customer_id": "c-1"}\n' * 50_000, lines, 400),
    }
    print("cut: MB for each second of CPU")
    for name, (data, layout, times) in texts.items():
        spent = seconds(
            partial(
                cut,
                chunks(data, times),
                layout=layout,
                encoding="utf-8",
                target_bytes=TARGET_BYTES,
            )
        )
        print(f"  {name:32} {len(data) * times / 1e6 / spent:8.0f}")
    data = as_csv(rows(1_200_000))
    packed = gzip.compress(data, 6)
    spent = seconds(
        lambda: recut(
            chunks(packed),
            layout=how,
            compressed=True,
            encoding="utf-8",
            target_bytes=TARGET_BYTES,
            most_bytes=1 << 30,
            open_piece=Nowhere,
        )
    )
    print(f"  {'gzip, unpacked and cut anew':32} {len(data) / 1e6 / spent:8.0f}")
    _measure_range(data, how)


def _measure_range(data: bytes, how: Layout) -> None:
    found = cut([data], layout=how, encoding="utf-8", target_bytes=RANGE_BYTES)
    first = found.pieces[0]
    text = data[first.start : first.end]
    print(f"one range of {len(text) / 1e6:.0f} MB, {PARTITIONS} partitions: seconds of CPU")
    with tempfile.TemporaryDirectory() as name:
        workdir = Path(name)
        begun = time.process_time()
        read = read_part(
            chunks(text),
            found.head,
            layout=how,
            most_bytes=1 << 30,
            workdir=workdir,
            memory_mb=512,
        )
        print(f"  {'read and typed':32} {time.process_time() - begun:8.2f}  {read.count} records")
        target = workdir / "target"
        spent = seconds(
            lambda: shuffle(
                read, "customer_id", partitions=PARTITIONS, target=target, workdir=workdir
            )
        )
        written_mb = target.stat().st_size / 1e6
        print(f"  {'written by customer':32} {spent:8.2f}  {written_mb:.0f} MB")
        spent = seconds(
            lambda: shuffle_claims(
                read,
                "order_id",
                "customer_id",
                partitions=PARTITIONS,
                target=target,
                workdir=workdir,
            )
        )
        print(f"  {'claims written by order':32} {spent:8.2f}")
        read.close()


if __name__ == "__main__":
    main()
