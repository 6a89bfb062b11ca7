"""Big files that cannot be used, divided: each ends REJECTED, with a reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pytest

from chalicelib.core.features import FEATURE_NAMES
from chalicelib.flows import big_plan
from chalicelib.flows.drop_work import DropLimits
from tests.big_drops import BigTeam
from tests.drops import ORDER_COLUMNS, DataTeam, order_row, orders_csv, zipped
from tests.functional.test_big_drop_kinds import parquet_of

LONG = orders_csv(*(order_row(f"o-{n}", f"c-{n % 9}", days_ago=20) for n in range(60)))
FEATURES = f"customer_id,{','.join(FEATURE_NAMES)}\n" + "c-1,1,1,1,1,1\n" * 300
MANY = ",".join(f"n{n}" for n in range(1_000_000))
SOME = ",".join(f"n{n}" for n in range(600))


def parquet(select: str) -> bytes:
    """What a select gives, as a Parquet file with one row group."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.parquet"
        duckdb.execute(f"COPY ({select}) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 1000000)")
        return path.read_bytes()


def order_rows(count: int, *, customer: str = "'c-1'", more: str = "") -> bytes:
    """An orders file of a few values, said so many times."""
    return parquet(
        f"SELECT 'o-' || i % 3 AS order_id, {customer} AS customer_id, '2026-01-01' AS ordered_at,"  # noqa: S608 - ours
        f" 1 AS quantity, 'USD' AS currency, 3.0 AS amount{more} FROM range({count}) AS every(i)"
    )


def feature_rows(count: int, *, first: str = "1.0") -> bytes:
    """A features file of Parquet."""
    named = ", ".join(
        f"{first if not at else '1.0'} AS {name}" for at, name in enumerate(FEATURE_NAMES)
    )
    return parquet(
        f"SELECT 'c-' || i AS customer_id, {named}"  # noqa: S608 - ours
        f" FROM range({count}) AS every(i)"
    )


def refused(key: str, body: str | bytes, *, most_bytes: int = 512 << 20) -> str:
    """Why the file, divided, was refused; nothing of it counted, and its execution succeeded."""
    big = BigTeam(above_bytes=500)
    big.limits = DropLimits(most_bytes=most_bytes)
    arrived = big.put(key, body)
    assert big.handle(arrived).state == "RUNNING"
    assert big.engine.run(arrived.drop_id) is None
    drop = big.known(arrived)
    assert drop.state == "REJECTED", drop.reason
    assert big.store.all("facts") == {}
    assert f"results/{drop.drop_id}/manifest.json" not in big.results()
    assert big.summary(drop)["reason"] == drop.reason
    return str(drop.reason)


@pytest.mark.parametrize(
    ("key", "body", "reason"),
    [
        (
            "orders/a.csv",
            f"{ORDER_COLUMNS},{MANY}\n{MANY}\n",
            "header: cannot be read: is longer than",
        ),
        (
            "orders/a.csv",
            LONG.replace(ORDER_COLUMNS, f"{ORDER_COLUMNS},{SOME}"),
            "header: has more than 500 columns",
        ),
        (
            "orders/a.csv",
            LONG.replace(ORDER_COLUMNS, f"{ORDER_COLUMNS},amount"),
            "like another",
        ),
        (
            "orders/a.csv",
            LONG.encode() + b"o-9,c-1,2026-01-01,1,USD,3\0\n",
            "file: holds NUL characters",
        ),
        (
            "features/a.csv",
            FEATURES.encode() + b"c\0,1,1,1,1,1\n",
            "file: holds NUL characters",
        ),
        (
            "orders/a.csv",
            LONG.encode() + b"o-9,c-\xff,2026-01-01,1,USD,3\n",
            "file: is not utf-8: byte 0xff cannot be decoded",
        ),
        (
            "features/a.csv",
            FEATURES.encode() + b"c-\xff,1,1,1,1,1\n",
            "file: is not utf-8: byte 0xff cannot be decoded",
        ),
        (
            "orders/a.parquet",
            order_rows(99, customer="[1, 2]"),
            "customer_id: is a LIST column, must be text",
        ),
        (
            "features/a.parquet",
            feature_rows(99, first="{'a': 1}"),
            f"{FEATURE_NAMES[0]}: is a STRUCT column",
        ),
        ("orders/a.csv.gz", zipped(LONG)[:-20], "file: is a damaged or truncated gzip"),
        ("features/a.csv.gz", LONG, "file: is a damaged or truncated gzip"),
    ],
    ids=[
        "million columns",
        "600 columns",
        "header twice",
        "nul",
        "nul in features",
        "no utf-8",
        "features that are no utf-8",
        "orders of lists",
        "features of structs",
        "half a gzip",
        "no gzip",
    ],
)
def test_what_cannot_be_used_is_refused(key: str, body: str | bytes, reason: str) -> None:
    """By whichever part finds out, and never PARTIAL: a redrive could not mend it."""
    assert reason in refused(key, body)


def test_a_gzip_bomb_is_refused_while_it_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the limit of a text that is cut anew."""
    monkeypatch.setattr(big_plan, "MOST_TEXT_BYTES", 100_000)

    reason = refused("orders/a.csv.gz", zipped(LONG + LONG.split("\n", 1)[1] * 100))

    assert reason == "file: is larger than 100000 bytes when unpacked"


def test_a_text_that_no_task_could_read_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """One task has to go through all of it before anybody can work on a part."""
    monkeypatch.setattr(big_plan, "MOST_TEXT_BYTES", 100_000)
    monkeypatch.setattr(big_plan, "cut", None)

    reason = refused("orders/a.csv", LONG + LONG.split("\n", 1)[1] * 100)

    assert reason == "file: is larger than 100000 bytes"


@pytest.mark.parametrize(
    ("key", "make", "reason"),
    [
        (
            "orders/a.parquet",
            lambda: order_rows(20_000),
            "file: holds more than 100000 values in a part; write it with smaller row groups",
        ),
        (
            "orders/a.parquet",
            lambda: order_rows(5_000, more=", repeat('x', 2000) AS note"),
            "file: is larger than 100000 bytes when unpacked",
        ),
        (
            "features/a.parquet",
            lambda: feature_rows(20_000),
            "file: holds more than 100000 ",
        ),
    ],
    ids=["values", "one text many times", "features"],
)
def test_a_parquet_bomb_is_refused(key: str, make: Callable[[], bytes], reason: str) -> None:
    """A range comes to no more than a whole file that is not divided, whatever it says once."""
    body = make()
    assert len(body) < 200_000

    assert reason in refused(key, body, most_bytes=100_000)


def test_a_bomb_that_says_so_is_not_unfolded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What its footer says is enough: nothing is copied, and no row group is fetched."""
    big = BigTeam(above_bytes=500)
    big.limits = DropLimits(most_bytes=100_000)
    read: list[int] = []
    stream = big.objects.stream

    def counted(bucket: str, **what: object) -> object:
        read.append(int(str(what["start"])))
        return stream(bucket, **what)  # type: ignore[arg-type]

    monkeypatch.setattr(big.objects, "stream", counted)

    assert big.finish(big.put("orders/a.parquet", order_rows(20_000))).state == "REJECTED"
    assert 4 not in read  # where the first row group begins


@pytest.mark.parametrize("kind", ["orders", "features"])
def test_a_damaged_footer_is_refused(kind: str) -> None:
    """As of a file that is not divided: it is the file's fault, and no redrive mends it."""
    body = b"PAR1" + b"x" * 5_000 + b"\xff\0\0\0PAR1"
    plain = DataTeam().drop(f"{kind}/a.parquet", body)

    assert refused(f"{kind}/a.parquet", body) == plain.reason
    assert "is a damaged Parquet file" in str(plain.reason)


def test_a_damaged_row_group_is_refused() -> None:
    """Its range finds it, and the whole file is refused."""
    body = bytearray(parquet_of(LONG, times=80))
    at = len(body) // 3
    body[at : at + 400] = b"\xff" * 400

    assert "file: cannot be read" in refused("orders/a.parquet", bytes(body))
