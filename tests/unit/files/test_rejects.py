"""Rejects on their way to ``rejects.csv``: kept on disk, given back by record number."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from chalicelib.core.errors import BadInput
from chalicelib.files import rejects
from chalicelib.files.rejects import Reject, RejectSpool

KEPT = [
    Reject(3, "a", 'x,"y"\nz', "first"),
    Reject(1, "", "", "second"),
    Reject(2, "b", "\\N", "third"),
    Reject(10, "ü", "NULL", "fourth"),
]


@pytest.mark.parametrize("most_in_memory", [50_000, 2])
def test_rejects_come_back_by_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most_in_memory: int
) -> None:
    """Few are sorted in memory, many on disk, with the same result, and as often as asked."""
    monkeypatch.setattr(rejects, "MOST_IN_MEMORY", most_in_memory)
    spool = RejectSpool(tmp_path / "spool")

    for reject in KEPT:
        spool.add(reject)

    assert list(spool) == list(spool) == sorted(KEPT, key=lambda reject: reject.record)
    assert spool.count == len(KEPT)
    spool.close()


@pytest.mark.parametrize("most_in_memory", [50_000, 0])
def test_a_value_is_cut_and_tamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most_in_memory: int
) -> None:
    """What would break the file, or fill it, is not kept as it is."""
    monkeypatch.setattr(rejects, "MOST_IN_MEMORY", most_in_memory)
    spool = RejectSpool(tmp_path / "spool")

    spool.add(Reject(1, "a", "x\r\ny\rz\0" + "w" * 10_000, "long"))

    [kept] = spool
    assert kept.value.startswith("x\ny\nz\u2400w")
    assert len(kept.value) < rejects.LONGEST_VALUE + 1
    spool.close()


def test_a_refused_row_shows_the_value_of_its_first_fault(tmp_path: Path) -> None:
    """Decimals look as they were written, without the zeros that DuckDB fills up with."""
    spool = RejectSpool(tmp_path / "spool")
    row = {"amount": Decimal("-5.00000000"), "sku": None}

    spool.refuse(1, BadInput.of("amount", "must not be negative"), row)
    spool.refuse(2, BadInput.of("sku", "must be a non-empty string"), row)

    assert list(spool) == [
        Reject(1, "amount", "-5", "must not be negative"),
        Reject(2, "sku", "", "must be a non-empty string"),
    ]
    spool.close()
