"""Lines without end in a divided file: one reject each, and never on disk as they are."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.documents import Documents
from chalicelib.scoring.load import load_scorer
from tests.big_drops import BigTeam
from tests.drops import DataTeam, drop_rules, zipped
from tests.functional.test_big_drop import by_customer, table
from tests.functional.test_big_drop_kinds import FEATURES, LONG, MODEL, OBJECTS, scored

# Digits by chance, so that gzip does not make a small file of it.
ENDLESS = random.Random(5).randbytes(1_500_000).hex()  # noqa: S311 - invented data
ABOVE_BYTES = 800_000


def amid(text: str, line: str) -> str:
    """A text with another line in its middle."""
    lines = text.splitlines(keepends=True)
    middle = len(lines) // 2
    return "".join([*lines[:middle], line + "\n", *lines[middle:]])


@pytest.mark.parametrize(
    ("key", "body"),
    [
        ("orders/a.csv", amid(LONG, ENDLESS)),
        ("orders/a.csv.gz", zipped(amid(LONG, ENDLESS))),
        ("orders/a.csv", amid(LONG, f'o-q,"{ENDLESS}')),
        ("orders/a.jsonl", amid(OBJECTS, ENDLESS)),
        ("features/a.csv", amid(FEATURES, ENDLESS)),
        ("features/a.csv.gz", zipped(amid(FEATURES, ENDLESS))),
    ],
    ids=["orders", "gzip", "quoted", "jsonl", "features", "features gzip"],
)
def test_a_line_without_end_costs_one_reject(key: str, body: Any) -> None:
    """The same reject as in one piece, and everything around it counts."""
    rules = replace(drop_rules(), scorer=load_scorer("portable", Documents().model(MODEL)))
    big, plain = BigTeam(above_bytes=ABOVE_BYTES, rules=rules), DataTeam(rules=rules)
    expected = plain.drop(key, body)
    found = big.finish(big.put(key, body))

    assert (found.state, expected.state) == ("COMPLETE", "COMPLETE"), found.reason
    assert {name: found.counts[name] for name in expected.counts} == expected.counts
    assert big.result(found, "rejects.csv") == plain.result(expected, "rejects.csv")
    reasons = [reject["reason"] for reject in big.rejects(found)]
    assert reasons.count("is longer than 1048576 characters") == 1
    if key.startswith("features/"):
        names = [file["name"] for file in big.manifest(found) if file["name"].startswith("scores/")]
        assert scored(big, found, names) == scored(plain, expected, ["scores.parquet"])
    else:
        assert by_customer(big.rows(found, "scores/")) == table(plain, expected, "scores.csv")


@pytest.mark.parametrize("key", ["orders/a.csv", "orders/a.csv.gz"])
def test_no_range_of_a_text_is_downloaded(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its bytes are bounded as they come; what was read before that lay on the disk whole."""
    big = BigTeam(above_bytes=ABOVE_BYTES)
    kept: list[str] = []
    for name in ("download_to", "download_range"):
        fetch = getattr(big.objects, name)

        def noted(*where: Any, _fetch: Any = fetch, **what: Any) -> None:
            kept.append(what["key"])
            _fetch(*where, **what)

        monkeypatch.setattr(big.objects, name, noted)
    text = amid(LONG, ENDLESS)
    arrived = big.put(key, zipped(text) if key.endswith("gz") else text)

    found = big.finish(arrived)

    assert found.state == "COMPLETE"
    assert kept
    pieces = [name for name in kept if name == key or "/pieces/" in name]
    assert pieces == []
