"""Whatever is dropped: it ends, it adds up, and nobody is mailed without consent."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.core.control import Drop
from tests.drops import ORDER_COLUMNS, DataTeam

_FEW = settings(max_examples=15)
_PREFIXES = st.sampled_from(
    ["orders/a.csv", "orders/a.jsonl", "customers/a.csv", "catalog/a.csv", "orders/a.csv.gz",
     "orders/cdnow/a.csv", "orders/cdnow-original/a.txt", "orders/semicolon-latin1/a.csv"]
)  # fmt: skip
_HEADERS = st.sampled_from(
    [b"", ORDER_COLUMNS.encode() + b"\n", b"customer_id,email,consent_marketing_email\n",
     b"sku,base_price,currency\n", b"customer_id,date,number_of_cds,dollar_value\n",
     b"Auftrag;Kunde;Datum;Menge;Einzelpreis;Status\n"]
)  # fmt: skip
_CELL = st.sampled_from(
    ["", "o-1", "o-2", "c-1", "2026-01-01", "3.2.2026", "1", "-1", "USD", "9.99", "1e9", '"', "x,y",
     "=1+1", "true", "a@example.com", "\x00", "é", "20260101", "storniert"]
)  # fmt: skip
_ROWS = st.lists(st.lists(_CELL, min_size=1, max_size=7), max_size=8)


@_FEW
@given(key=_PREFIXES, header=_HEADERS, noise=st.binary(max_size=60))
def test_any_bytes_end_as_a_drop(key: str, header: bytes, noise: bytes) -> None:
    """Complete or rejected, with counts that add up, and never anything else."""
    team = DataTeam()

    drop = team.drop(key, header + noise)

    _adds_up(team, drop)
    assert (drop.state == "REJECTED") == (drop.reason is not None)


@_FEW
@given(key=_PREFIXES, header=_HEADERS, rows=_ROWS)
def test_any_rows_end_as_a_drop(key: str, header: bytes, rows: list[list[str]]) -> None:
    """Nearly good rows get further than noise does, and add up all the same."""
    separator = ";" if header.startswith(b"Auftrag") else ","
    team = DataTeam()

    drop = team.drop(key, header + "\n".join(separator.join(row) for row in rows).encode())
    again = team.drop(key, header + "\n".join(separator.join(row) for row in rows).encode())

    _adds_up(team, drop)
    if drop.state == "COMPLETE" and key.startswith("orders/"):
        assert again.counts["folded"] == 0
        assert again.counts["rejected"] == drop.counts["rejected"]


def _adds_up(team: DataTeam, drop: Drop) -> None:
    counts, state = drop.counts, drop.state
    parts = [counts[name] for name in ("folded", "duplicate", "rejected")]
    assert counts["records"] == sum(parts)
    assert counts["customers"] == counts["scored"] + counts["unscored"]
    assert state in ("COMPLETE", "REJECTED")
    if state == "COMPLETE" and not drop.key.startswith("catalog/"):
        assert len(team.scores(drop)) == counts["scored"]
        assert len(team.unscored(drop)) == counts["unscored"]
    if state == "REJECTED":
        assert not any(counts.values())
        assert team.store.all("facts") == {}
