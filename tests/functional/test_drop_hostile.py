"""Files that would cost too much or never end: each kind of drop ends, with its reason."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import replace

import pytest

from chalicelib.files import numbering, survey
from chalicelib.flows.drop_notice import Arrived
from chalicelib.flows.drop_work import DropLimits
from tests.drops import DROPS, DataTeam, notification, order_row, orders_csv, zipped
from tests.unit.files.scored import HEADER

ROWS = {
    "orders": (
        "order_id,customer_id,ordered_at,quantity,currency,amount",
        "o-{n},c-1,2025-06-01,1,USD,5",
    ),
    "customers": ("customer_id,country", "c-{n},US"),
    "catalog": ("sku,base_price,currency", "s-{n},5,USD"),
    "features": (HEADER, "c-{n},1,1,1,1,1"),
}
KINDS = sorted(ROWS)


def text(kind: str, *, rows: int = 2, more: str = "") -> str:
    """A sound CSV of a kind, and what is appended to it."""
    header, row = ROWS[kind]
    return "\n".join([header, *(row.format(n=n) for n in range(rows))]) + f"\n{more}"


def lines(kind: str, *more: str) -> str:
    """A sound JSON Lines file of a kind with one object, and further lines."""
    header, row = ROWS[kind]
    said = dict(zip(header.split(","), row.format(n=1).split(","), strict=True))
    return "\n".join([json.dumps(said), *more]) + "\n"


@pytest.fixture
def team() -> DataTeam:
    """A data team before its first drop."""
    return DataTeam()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_gzip_that_broke_off_or_unfolds_is_refused(
    team: DataTeam, kind: str, suffix: str
) -> None:
    """Half an upload is no file, and unpacking stops at the limit."""
    body = zipped(text(kind, rows=3_000) if suffix == "csv" else lines(kind) * 3_000)

    broken = team.drop(f"{kind}/a.{suffix}.gz", body[: len(body) // 2])
    team.limits = DropLimits(most_bytes=20_000)
    bomb = team.drop(f"{kind}/b.{suffix}.gz", body)

    assert (broken.state, bomb.state) == ("REJECTED", "REJECTED")
    assert "damaged or truncated gzip" in str(broken.reason)
    assert "is larger than 20000 bytes when unpacked" in str(bomb.reason)


def test_a_bomb_of_many_members_is_refused(team: DataTeam) -> None:
    """Gzip members that follow one another count together."""
    team.limits = DropLimits(most_bytes=100_000)
    member = zipped("x" * 60_000)

    drop = team.drop("features/a.csv.gz", member * 3)

    assert "is larger than 100000 bytes" in str(drop.reason)
    assert zlib.decompress(member, wbits=31) == b"x" * 60_000


@pytest.fixture
def short_lines() -> Iterator[int]:
    """Lines of 2,000 characters are too long, so that a test of one stays small."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numbering, "LONGEST_RECORD", 2_000)
        patch.setattr(survey, "_PIECE_BYTES", 1_000)
        yield 2_000


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_line_without_end_is_one_reject(
    team: DataTeam, kind: str, suffix: str, short_lines: int
) -> None:
    """It is passed over piece by piece, only its beginning is kept, and the next line counts."""
    endless = "x" * (short_lines * 50)
    sound = text(kind, more=f"{endless}\n") if suffix == "csv" else lines(kind, endless)
    more = (
        ROWS[kind][1].format(n=9) if suffix == "csv" else lines(kind).strip().replace("1", "9", 1)
    )

    drop = team.drop(f"{kind}/a.{suffix}", sound + more + "\n")

    assert drop.state == "COMPLETE", drop.reason
    [reject] = team.rejects(drop)
    assert reject["reason"] == "is longer than 2000 characters"
    assert len(reject["value"]) <= 500
    assert drop.counts["rejected"] == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_million_columns_are_refused(team: DataTeam, kind: str) -> None:
    """Whether they fit into a line or not."""
    header, _ = ROWS[kind]
    some = ",".join(f"n{n}" for n in range(600))
    many = ",".join(f"n{n}" for n in range(1_000_000))

    one = team.drop(f"{kind}/a.csv", f"{header},{some}\n{some}\n")
    other = team.drop(f"{kind}/b.csv", f"{header},{many}\n{many}\n")

    assert "has more than 500 columns" in str(one.reason)
    assert "header: cannot be read: is longer than" in str(other.reason)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (
            lambda sound: sound.replace(b"c-", b"c\xff", 1).replace(b"s-", b"s\xff", 1),
            "is not utf-8",
        ),
        (lambda sound: sound.replace(b"-", b"\0", 1), "holds NUL characters"),
        (
            lambda sound: sound.replace(b"\n", b"," + sound.split(b",")[0] + b"\n", 1),
            "like another",
        ),
        (lambda sound: b"PAR1" + sound, ""),
        (lambda sound: b"", "is empty"),
    ],
)
def test_what_is_no_text_of_ours_is_refused(
    team: DataTeam, kind: str, spoil: object, words: str
) -> None:
    """Invalid UTF-8, NUL, a column named twice, a Parquet under a text's name, nothing at all."""
    assert callable(spoil)
    body = spoil(text(kind).encode())
    arrived = team.put(f"{kind}/a.csv", body)

    drop = team.handle(arrived)

    assert drop.state == "REJECTED"
    assert words in str(drop.reason)
    assert team.handle(arrived) == drop


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_an_object_that_was_replaced_is_not_read_for_it(
    team: DataTeam, kind: str, suffix: str
) -> None:
    """Without versions a key soon names another object, which is a drop of its own."""
    first = team.put(f"{kind}/a.{suffix}", text(kind))
    team.objects.arrive(DROPS, key=f"{kind}/a.{suffix}", body=text(kind, rows=7).encode())

    drop = team.handle(replace(first, version_id=None))

    assert drop.state == "REJECTED"
    assert "was replaced before it could be read; the new one is a drop of its own" in str(
        drop.reason
    )


def test_an_object_replaced_while_it_is_read_is_rejected(team: DataTeam) -> None:
    """What is read is what the head was of, or nothing."""
    arrived = replace(
        team.put("orders/a.csv", orders_csv(order_row("o", "c", days_ago=9))), version_id=None
    )
    objects = team.objects

    class Replacing(type(objects)):  # type: ignore[misc]
        """Somebody puts another object there between head and get."""

        def head(self, bucket: str, **named: object) -> object:
            info = super().head(bucket, **named)
            self.arrive(bucket, key="orders/a.csv", body=b"another")
            return info

    objects.__class__ = Replacing
    failed = team.deliver({"Records": [notification(arrived)]})
    [drop] = team.store.all("drop").values()

    assert failed == []
    assert drop.state == "REJECTED"
    assert "was replaced while it was read" in str(drop.reason)
    assert team.store.all("facts") == {}


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_that_is_gone_is_rejected(team: DataTeam, kind: str) -> None:
    """Deleted before anybody read it."""
    drop = team.handle(Arrived(DROPS, f"{kind}/gone.csv", "7", "e"))

    assert "was gone before it could be read" in str(drop.reason)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("line", ["only one value", "{n},x,x,x,x,x,x,x,x,x"])
def test_a_file_of_nothing_but_bad_records_ends(team: DataTeam, kind: str, line: str) -> None:
    """More of them than are kept in memory, each by its number."""
    bad = "\n".join(line.format(n=n) for n in range(12_000))

    drop = team.drop(f"{kind}/a.csv", text(kind, rows=1, more=bad))

    assert drop.state == "COMPLETE", drop.reason
    assert drop.counts["rejected"] == 12_000
    assert [int(row["record"]) for row in team.rejects(drop)] == list(range(2, 12_002))
