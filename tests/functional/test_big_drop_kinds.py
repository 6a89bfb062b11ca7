"""Which files are divided, and what every kind of them comes to, good ones and bad ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pytest

from chalicelib.core.errors import Transient
from chalicelib.core.features import FEATURE_NAMES
from chalicelib.core.instants import format_instant
from chalicelib.documents import Documents
from chalicelib.scoring.load import load_scorer
from tests.big_drops import BigTeam
from tests.drops import DROPS, DataTeam, drop_rules, order_row, orders_csv, zipped
from tests.functional.test_big_drop import KINDS, by_customer, orders, table
from tests.makers import DAY_SECONDS, NOW

MODEL = "cdnow-1.0.0"
LONG = orders_csv(*(order_row(f"o-{n}", f"c-{n % 9}", days_ago=20) for n in range(60)))
PEOPLE = "customer_id,email,country,consent_marketing_email,points\n" + "".join(
    f'c-{n % 30},c{n}@example.com,US,true,"{n}"\n' for n in range(60)
)
OBJECTS = "".join(
    json.dumps(
        {
            "order_id": f"o-{n}",
            "customer_id": f"c-{n % 9}",
            "ordered_at": format_instant(NOW - n * DAY_SECONDS),
            "quantity": 1,
            "currency": "USD",
            **({"unit_price": 3} if n % 2 else {"amount": 4.5}),
            **({"note": "a\nb"} if n > 50 else {}),
        }
    )
    + "\n"
    for n in range(60)
)
QUOTED = "\n".join(
    (
        "order_id,customer_id,ordered_at,quantity,currency,amount,sku",
        *(
            f'{order_row(f"o-{n}", f"c-{n % 9}", days_ago=20)},"two\n""lines"",\n\n"'
            for n in range(60)
        ),
    )
)


def both(key: str, body: str | bytes, **options: Any) -> tuple[BigTeam, Any, DataTeam, Any]:
    """A file divided, and the same file undivided."""
    rules = replace(drop_rules(), scorer=load_scorer("portable", Documents().model(MODEL)))
    big, plain = BigTeam(above_bytes=2_000, rules=rules), DataTeam(rules=rules)
    expected = plain.drop(key, body, **options)
    found = big.finish(big.put(key, body, **options))
    return big, found, plain, expected


@pytest.mark.parametrize(
    ("key", "body"),
    [
        ("customers/a.csv", PEOPLE),
        ("orders/a.jsonl", OBJECTS),
        ("orders/a.jsonl.gz", zipped(OBJECTS)),
        ("orders/a.csv", QUOTED),
    ],
    ids=["customers", "jsonl", "gzip", "quoted"],
)
def test_a_divided_file_of_any_kind_comes_to_what_it_comes_to_undivided(
    key: str, body: str | bytes
) -> None:
    """Customers, objects with differing fields, gzip, and values that hold line breaks."""
    big, found, plain, expected = both(key, body)

    assert (found.state, expected.state) == ("COMPLETE", "COMPLETE")
    assert {name: found.counts[name] for name in expected.counts} == expected.counts
    assert found.counts["ranges"] >= 2
    for kind in KINDS:
        assert big.store.all(kind) == plain.store.all(kind), kind
    assert by_customer(big.rows(found, "scores/")) == table(plain, expected, "scores.csv")
    assert big.result(found, "rejects.csv") == plain.result(expected, "rejects.csv")


FEATURES = "customer_id," + ",".join(FEATURE_NAMES) + ",consent_profiling\n" + "".join(
    f"c-{n},{','.join(str(n % 7 + at) for at in range(len(FEATURE_NAMES)))},"
    f"{'false' if n % 13 == 0 else 'true'}\n"
    for n in range(1, 240)
) + "c-bad,x,1,1,1,1,true\n"  # fmt: skip


def parquet_of(text: str, *, group_rows: int = 2_048, times: int = 1) -> bytes:
    """The same rows as Parquet, in row groups as small as DuckDB writes them."""
    with TemporaryDirectory() as folder:
        source, target = Path(folder) / "a.csv", Path(folder) / "a.parquet"
        source.write_text(text)
        duckdb.execute(
            f"COPY (SELECT rows.* FROM range({times}),"  # noqa: S608 - ours
            f" read_csv('{source}', all_varchar=true) rows)"
            f" TO '{target}' (FORMAT parquet, ROW_GROUP_SIZE {group_rows})"
        )
        return target.read_bytes()


def scored(team: DataTeam, drop: Any, names: list[str]) -> list[tuple[Any, ...]]:
    """The rows of some Parquet files of the results, sorted."""
    rows: list[tuple[Any, ...]] = []
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.parquet"
        for name in names:
            path.write_bytes(team.result(drop, name))
            rows += duckdb.read_parquet(str(path)).fetchall()
    return sorted(rows)


@pytest.mark.parametrize(
    ("key", "body"),
    [
        ("features/a.csv", FEATURES),
        ("features/a.csv.gz", zipped(FEATURES)),
        ("features/a.parquet", parquet_of(FEATURES, times=60)),
    ],
    ids=["csv", "gzip", "parquet"],
)
def test_a_features_file_is_scored_range_by_range(key: str, body: str | bytes) -> None:
    """Each range leaves a file of scores; all rows together are those of the file undivided."""
    big, found, plain, expected = both(key, body)

    assert (found.state, expected.state) == ("COMPLETE", "COMPLETE")
    assert {name: found.counts[name] for name in expected.counts} == expected.counts
    assert found.counts["rejected"] >= 1
    assert found.counts["unscored"] >= 9
    assert found.counts["ranges"] >= 2
    names = [file["name"] for file in big.manifest(found) if file["name"].startswith("scores/")]
    assert len(names) == found.counts["ranges"]
    assert scored(big, found, names) == scored(plain, expected, ["scores.parquet"])
    assert big.result(found, "rejects.csv") == plain.result(expected, "rejects.csv")
    assert big.store.all("facts") == {}
    assert "Partition" not in big.engine.ran


def feature_lines(*, has_gap: Callable[[int], bool]) -> str:
    """Features as JSON Lines, by an exporter that leaves out what a customer has not."""
    lines = (
        {
            "customer_id": f"c-{n}",
            **{name: n % 7 for name in FEATURE_NAMES if name != "mean_gap_days" or has_gap(n)},
        }
        for n in range(60)
    )
    return "".join(json.dumps(line) + "\n" for line in lines)


def test_a_range_may_lack_a_field_that_others_have() -> None:
    """Only where no object of the whole file has it, the file is refused."""
    big, found, plain, expected = both("features/a.jsonl", feature_lines(has_gap=lambda n: n > 50))

    assert (found.state, expected.state) == ("COMPLETE", "COMPLETE")
    assert {name: found.counts[name] for name in expected.counts} == expected.counts
    names = [file["name"] for file in big.manifest(found) if file["name"].startswith("scores/")]
    assert scored(big, found, names) == scored(plain, expected, ["scores.parquet"])

    _, found, _, expected = both("features/a.jsonl", feature_lines(has_gap=lambda _n: False))

    assert (found.state, expected.state) == ("REJECTED", "REJECTED")
    assert found.reason == expected.reason == "file: has no field mean_gap_days"


def test_parquet_orders_are_divided_by_row_groups() -> None:
    """Numbers of rejects are those of the whole file; profiles are the same."""
    rows = orders_csv(
        *(order_row(f"o-{n}", f"c-{n % 9}", days_ago=20, amount=str(n % 50)) for n in range(4_500)),
        "o-bad,c-1,never,1,USD,3.00",
    )
    body = parquet_of(rows)

    big, found, plain, expected = both("orders/a.parquet", body)

    assert (found.state, expected.state) == ("COMPLETE", "COMPLETE")
    assert {name: found.counts[name] for name in expected.counts} == expected.counts
    assert found.counts["ranges"] == 3
    assert big.store.all("facts") == plain.store.all("facts")
    assert big.result(found, "rejects.csv") == plain.result(expected, "rejects.csv")


def test_a_legacy_export_is_divided_by_its_mapping() -> None:
    """Another delimiter and encoding, decimal commas, and corrections of orders in other ranges."""
    rows = [f"A{n};c-{n % 7};0{n % 9 + 1}.08.2026;1;30,00;ß" for n in range(60)]
    rows += [f"A{n};c-{n % 7};09.08.2026;-1;5,00;x" for n in range(20)]
    text = "\n".join(("Auftrag;Kunde;Datum;Menge;Einzelpreis;Status", *rows))

    big, found, plain, expected = both("orders/semicolon-latin1/export.csv", text.encode("latin-1"))

    assert found.state == "COMPLETE"
    assert {name: found.counts[name] for name in expected.counts} == expected.counts
    assert big.store.all("facts") == plain.store.all("facts")


def test_an_as_of_of_the_object_is_that_of_all_parts() -> None:
    """Customers are scored as of the moment that the file speaks of."""
    moment = NOW - 10 * DAY_SECONDS
    big, found, plain, expected = both("orders/a.csv", LONG, as_of=moment)

    assert (found.as_of, expected.as_of) == (moment, moment)
    assert by_customer(big.rows(found, "scores/")) == table(plain, expected, "scores.csv")


@pytest.mark.parametrize(
    ("key", "body", "reason"),
    [
        ("orders/a.csv", LONG.replace("currency", "money", 1), "lacks the column currency"),
        ("orders/a.csv", LONG.encode() + b"\xff\xfe", "is not utf-8"),
        ("orders/a.csv.gz", zipped(orders(80))[:-9], "truncated gzip"),
        ("orders/a.jsonl", OBJECTS.replace("currency", "money"), "has no field currency"),
        (
            "customers/a.csv",
            PEOPLE.replace("customer_id", "who", 1),
            "lacks the column customer_id",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_rejected_whichever_part_finds_out(
    key: str, body: str | bytes, reason: str
) -> None:
    """The reason is that of an undivided file, it is not tried again, and nothing counts."""
    big, found, _, expected = both(key, body)

    assert (found.state, expected.state) == ("REJECTED", "REJECTED")
    assert reason in (found.reason or "")
    assert reason in (expected.reason or "")
    assert big.store.all("order") == {}
    assert big.store.all("facts") == {}
    assert big.results() == [f"results/{found.drop_id}/summary.json"]
    assert found.counts["records"] == 0


@pytest.mark.parametrize("task", ["plan", "part"])
def test_a_file_that_is_gone_or_replaced_is_rejected(task: str) -> None:
    """Whoever finds out, the drop ends; only a bucket without versions lets it happen."""
    for body, reason in ((None, "was gone"), (b"another", "was replaced")):
        big = BigTeam(above_bytes=2_000)
        arrived = big.put("orders/a.csv", LONG)

        def before(event: Any, big: BigTeam = big, body: bytes | None = body) -> None:
            if event["task"] != task:
                return
            if body is None:
                big.objects._objects.pop((DROPS, "orders/a.csv"), None)
            else:
                big.objects.arrive(DROPS, key="orders/a.csv", body=body)

        big.before = before
        unversioned = type(arrived)(DROPS, arrived.key, None, arrived.etag)
        found = big.finish(unversioned if body else arrived)

        assert found.state == "REJECTED"
        assert reason in (found.reason or "")


def test_only_what_is_larger_than_the_threshold_is_divided() -> None:
    """A file of just that size is not; a gzip is one of whose text a fourth is assumed."""
    for key, body, above_bytes, divided in (
        ("orders/a.csv", LONG.encode(), len(LONG), False),
        ("orders/a.csv", LONG.encode(), len(LONG) - 1, True),
        ("orders/a.csv.gz", zipped(LONG), len(zipped(LONG)) * 4, False),
        ("orders/a.csv.gz", zipped(LONG), len(zipped(LONG)) * 4 - 1, True),
    ):
        big = BigTeam(above_bytes=above_bytes)
        arrived = big.put(key, body)
        state = big.handle(arrived).state
        assert state == ("RUNNING" if divided else "COMPLETE"), key
        assert list(big.engine.names) == ([arrived.drop_id] if divided else []), key


def test_a_catalogue_is_never_divided() -> None:
    """Of two statements about one article the later stands: it is read in one piece."""
    big = BigTeam(above_bytes=100)
    rows = "sku,base_price,currency\n" + "".join(f"A{n},3.00,USD\n" for n in range(40))

    assert big.drop("catalog/a.csv", rows).state == "COMPLETE"
    assert big.engine.names == {}


def test_what_the_key_does_not_say_is_rejected_at_once() -> None:
    """A big file under an unknown prefix starts nothing."""
    big = BigTeam(above_bytes=100)

    assert big.drop("pictures/a.png", b"x" * 1_000).state == "REJECTED"
    assert big.engine.names == {}


def test_the_manifest_of_an_undivided_file_is_like_that_of_a_divided_one() -> None:
    """Whoever takes what it lists need not know which it was."""
    plain = DataTeam()
    drop = plain.drop("orders/a.csv", LONG)

    files = json.loads(plain.result(drop, "manifest.json"))
    assert files["drop_id"] == drop.drop_id
    assert [(file["name"], file["rows"]) for file in files["files"]] == [
        ("rejects.csv", 0),
        ("scores.csv", drop.counts["scored"]),
        ("unscored.csv", drop.counts["unscored"]),
    ]
    for file in files["files"]:
        assert file["bytes"] == len(plain.result(drop, file["name"]))


def test_storage_that_does_not_answer_fails_the_delivery() -> None:
    """Not the file: the message comes again."""
    big = BigTeam(above_bytes=100)
    arrived = big.put("orders/a.csv", LONG)
    big.engine.refusals.append(Transient("not now"))

    with pytest.raises(Transient):
        big.handle(arrived)
