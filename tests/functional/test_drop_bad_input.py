"""What a drop does with what it cannot use: nothing is lost, and every reason is written down."""

from __future__ import annotations

import json

import pytest

from chalicelib.core.errors import Broken, Transient
from chalicelib.flows.drop_fold import Outcome
from chalicelib.flows.drop_notice import Arrived
from chalicelib.flows.drop_work import DropLimits
from tests.drops import DROPS, DataTeam, notification, order_row, orders_csv, zipped

GOOD = order_row("o-1", "c-1", days_ago=9)


@pytest.fixture
def team() -> DataTeam:
    """A data team before its first drop."""
    return DataTeam()


@pytest.mark.parametrize(
    ("key", "body", "words"),
    [
        ("orders/a.csv", b"", "is empty"),
        ("orders/a.csv", b"\n\n", "is empty"),
        ("orders/a.csv", b"order_id,customer_id\n1,2\n", "lacks the column ordered_at"),
        ("orders/a.csv", b"\xff\xfe\x00", "is not utf-8"),
        ("orders/nowhere/a.csv", GOOD.encode(), "names a mapping that does not exist"),
        ("orders/a/b/c.csv", GOOD.encode(), "must be orders/FILE"),
        ("invoices/a.csv", GOOD.encode(), "must begin with customers/, orders/, catalog/"),
        ("readme.csv", GOOD.encode(), "must begin with"),
        ("orders/a.xlsx", GOOD.encode(), "must end with"),
        ("orders/a.csv.gz", b"no gzip", "damaged or truncated gzip"),
        ("orders/a.csv.gz", zipped(orders_csv(GOOD))[:-9], "damaged or truncated gzip"),
        ("orders/../a.csv", GOOD.encode(), "must not hold control characters or .."),
        ("customers/a.csv", b"email\na@example.com\n", "lacks the column customer_id"),
        ("customers/a.csv", b"customer_id,email,email\n1,2,3\n", "names column 3 like another one"),
        ("catalog/a.csv", b"sku,base_price\nA,1\n", "lacks the column currency"),
        ("orders/a.csv", b"a\0b\n", "NUL"),
    ],
)
def test_a_useless_file_is_rejected_whole(
    team: DataTeam, key: str, body: bytes, words: str
) -> None:
    """The drop ends REJECTED with the reason in its summary, and is not tried again."""
    arrived = team.put(key, body)

    drop = team.handle(arrived)

    assert drop.state == "REJECTED"
    assert words in str(drop.reason)
    assert words in team.summary(drop)["reason"]
    assert team.handle(arrived) == drop


def test_a_bad_row_is_rejected_by_number_column_value_and_reason(team: DataTeam) -> None:
    """What DuckDB cannot type and what the rules refuse stand together; the rest goes on."""
    rows = [
        GOOD,
        "o-2,c-2,2026-01-01,many,USD,1.00",
        "o-3,c-3,2026-01-01,1,USD,-5",
        "",
        "o-4,c-4,2026-13-01,1,USD,5",
        "o-5,c-5,2026-01-01,1,XXX,5",
        "o-6,c-6,2026-01-01,1,USD",
        ",c-7,2026-01-01,1,USD,5",
        "o-8,c-8,2026-01-01,1,USD,1e999",
        'o-9,"c-9\nx",2026-01-01,1,USD,5',
        "o-10,c-10,2999-01-01,1,USD,5",
        "o-11,c-11,2026-01-01,1,USD,5",
    ]

    drop = team.drop("orders/a.csv", orders_csv(*rows))

    assert drop.state == "COMPLETE"
    found = {
        int(row["record"]): (row["column"], row["value"], row["reason"])
        for row in team.rejects(drop)
    }
    assert found[2] == ("quantity", "many", "must be a whole number")
    assert found[3] == ("amount", "-5", "must not be negative")
    assert found[4][0] == "ordered_at"
    assert found[5][0] == "currency"
    assert found[6][2] == "has fewer than 6 columns"
    assert found[7][0] == "order_id"
    assert found[8][:2] == ("amount", "1e999")
    assert found[9][0] == "customer_id"
    assert found[10][0] == "ordered_at"
    assert sorted(found) == list(range(2, 11))
    assert (drop.counts["records"], drop.counts["folded"], drop.counts["rejected"]) == (11, 2, 9)


def test_a_bad_line_of_json_is_rejected_by_its_field(team: DataTeam) -> None:
    """Lines that are no object, and values of another type, are told from good ones."""
    good = {
        "order_id": "o-1",
        "customer_id": "c-1",
        "ordered_at": "2026-01-01",
        "quantity": 1,
        "currency": "USD",
        "amount": 5,
    }
    lines = [
        json.dumps(good),
        "{not json",
        "[]",
        json.dumps({**good, "order_id": "o-2", "amount": "five"}),
        json.dumps({**good, "order_id": "o-3", "customer_id": None}),
        json.dumps({**good, "order_id": "o-4"}),
    ]

    drop = team.drop("orders/a.jsonl", "\n".join(lines))

    found = {int(row["record"]): (row["column"], row["reason"]) for row in team.rejects(drop)}
    assert found == {
        2: ("", "is not a JSON object"),
        3: ("", "is not a JSON object"),
        4: ("amount", "must be a number such as 29.33"),
        5: ("customer_id", "must be a non-empty string"),
    }
    assert drop.counts["folded"] == 2


def test_a_customer_that_stands_twice_is_taken_once(team: DataTeam) -> None:
    """The last record stands, an equal one is a duplicate, another is rejected by name."""
    rows = "customer_id,country\nc-1,US\nc-1,DE\nc-1,DE\nc-2,Germany\n"

    drop = team.drop("customers/a.csv", rows)

    counts = [drop.counts[name] for name in ("records", "folded", "duplicate", "rejected")]
    assert counts == [4, 1, 1, 2]
    reasons = {int(row["record"]): row["reason"] for row in team.rejects(drop)}
    assert reasons[1] == "stands twice; record 3 was taken"
    assert reasons[4] == "must be an ISO 3166-1 alpha-2 code such as US"


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+cmd|calc", "'+cmd|calc"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\uff1d1", "'\uff1d1"),
        ("\tx", "'\tx"),
        ("-inf", "'-inf"),
        ("-3.50", "-3.50"),
        ("plain", "plain"),
    ],
)
def test_no_cell_of_the_results_is_a_formula(team: DataTeam, value: str, cell: str) -> None:
    """What a spreadsheet would execute is quoted; negative numbers stay numbers."""
    rows = f"customer_id,country\n{value},US\nc-1,{value}\n"
    scored = orders_csv(order_row("o-1", value, days_ago=9))

    drop = team.drop("customers/a.csv", rows)
    orders = team.drop("orders/a.csv", scored)

    found = {int(row["record"]): row["value"] for row in team.rejects(drop)}
    assert found[2] == cell
    assert "\t" in value or (cell, "no_orders") in team.unscored(drop)
    if "\t" in value:  # no id holds control characters
        assert team.rejects(orders)[0]["value"] == cell
    else:
        assert set(team.scores(orders)) == {cell}


def test_a_bomb_is_refused_before_it_unfolds(team: DataTeam) -> None:
    """Unpacking stops at the limit."""
    team.limits = DropLimits(most_bytes=10_000)

    drop = team.drop("orders/a.csv.gz", zipped(orders_csv(*[GOOD] * 5_000)))

    assert drop.state == "REJECTED"
    assert "larger than 10000 bytes" in str(drop.reason)


def test_what_the_queue_brings(team: DataTeam) -> None:
    """Several records in one message are all handled; a test event is ignored; poison fails."""
    one = team.put("orders/a b.csv", orders_csv(GOOD))
    two = team.put("catalog/ü.csv", "sku,base_price,currency\nA,1,USD\n")
    both = {
        "Records": [
            notification(one, key="orders/a+b.csv"),
            notification(two, key="catalog/%C3%BC.csv"),
        ]
    }

    failed = team.deliver(
        both, {"Service": "Amazon S3", "Event": "s3:TestEvent"}, "not json", {"Records": [{}]}, "[]"
    )

    assert failed == ["m-2", "m-3", "m-4"]
    assert team.facts("c-1") is not None
    assert len([key for key in team.objects.keys("results") if key.endswith("summary.json")]) == 2


def test_an_object_that_fails_does_not_hold_up_the_others_of_its_message(team: DataTeam) -> None:
    """They are handled at once; the message comes again for the one that failed alone."""
    poison = Arrived("results", "orders/a.csv", "1", "e")
    good = team.put("orders/a.csv", orders_csv(GOOD))
    message = {"Records": [notification(poison), notification(good)]}

    failed = team.deliver(message)
    calls = [name for name, _ in team.store.calls]
    failed_again = team.deliver(message)

    assert failed == failed_again == ["m-0"]
    assert team.facts("c-1") is not None
    assert [key.split("/")[1] for key in team.objects.keys("results")].count(good.drop_id) == 5
    assert [name for name, _ in team.store.calls][len(calls) :].count("write") == 0


def test_a_folder_is_no_file(team: DataTeam) -> None:
    """What a console puts in place of a folder is left alone."""
    folder = team.put("orders/", b"")

    assert team.deliver({"Records": [notification(folder)]}) == []
    assert team.objects.keys("results") == []


def test_results_are_never_dropped(team: DataTeam) -> None:
    """A bucket that notifies about our own results would feed on itself."""
    arrived = Arrived("results", "orders/a.csv", "1", "e")

    assert team.deliver({"Records": [notification(arrived)]}) == ["m-0"]
    assert team.store.all("drop") == {}


@pytest.mark.parametrize(
    ("as_of", "words"), [("soon", "is not an ISO 8601"), ("2027-01-01", "lies in the future")]
)
def test_a_moment_that_cannot_be_is_refused(
    team: DataTeam, as_of: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is scored at a moment that nobody knows yet; the file counts as one reject."""
    info = team.objects.arrive(
        DROPS, key="orders/a.csv", body=orders_csv(GOOD).encode(), metadata={"as-of": as_of}
    )

    drop = team.handle(Arrived(DROPS, "orders/a.csv", info.version_id, info.etag))

    assert drop.state == "REJECTED"
    assert words in str(drop.reason)
    assert '"Rejects":1' in capsys.readouterr().out


def test_counts_that_do_not_add_up_are_an_alarm_and_not_a_result(
    team: DataTeam, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record lost on the way is our error: the message goes back, nothing is COMPLETE."""
    monkeypatch.setattr(Outcome, "count", lambda self, records, *, ours: None)
    arrived = team.put("orders/a.csv", orders_csv(GOOD))

    with pytest.raises(Broken, match="records do not add up: 1 in, 0 folded"):
        team.handle(arrived)

    assert not any(key.endswith("summary.json") for key in team.objects.keys("results"))
    [drop] = team.store.all("drop").values()
    assert drop.state == "RUNNING"


def test_a_file_that_vanished_is_rejected(team: DataTeam) -> None:
    """A notification for an object that is gone ends with a reason, not in retries for ever."""
    arrived = team.put("orders/a.csv", GOOD)
    team.objects.arrive(DROPS, key="orders/a.csv", body=b"another version")

    drop = team.handle(arrived)

    assert (drop.state, "was gone" in str(drop.reason)) == ("REJECTED", True)


@pytest.mark.parametrize("fault", ["fail_reads", "fail_writes", "lose_replies"])
def test_storage_that_does_not_answer_is_tried_again_and_adds_up(fault: str) -> None:
    """Break every call in turn: the redelivered drop ends with the counts of an unbroken one."""
    rows = [order_row(f"o-{n}", f"c-{n % 3}", days_ago=100 + n) for n in range(7)]
    text = orders_csv(*rows, rows[0], "o-9,c-9,never,1,USD,1")
    people = "".join(f"c-{n},c{n}@example.com,US,true\n" for n in range(3))
    contacts = "customer_id,email,country,consent_marketing_email\n" + people
    unbroken = DataTeam()
    unbroken.drop("customers/a.csv", contacts)
    unbroken.store.calls.clear()
    expected = unbroken.drop("orders/a.csv", text)
    calls = unbroken.store.count("read" if fault == "fail_reads" else "write")
    assert calls >= 3
    assert expected.counts["effects_mail"] == 3

    for at in range(calls):
        broken = DataTeam()
        broken.drop("customers/a.csv", contacts)
        arrived = broken.put("orders/a.csv", text)
        getattr(broken.store, fault)(*[None] * at, Transient("not now"))
        with pytest.raises(Transient):
            broken.handle(arrived)

        drop = broken.handle(arrived)

        assert drop.counts == expected.counts
        assert broken.store.all("facts") == unbroken.store.all("facts")
        assert broken.store.all("effect") == unbroken.store.all("effect")
