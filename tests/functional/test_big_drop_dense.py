"""Files that show only when they are unpacked how big they are: divided, not refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from chalicelib.core.errors import Transient
from chalicelib.flows import big_plan
from chalicelib.flows.drop_work import DropLimits
from tests.big_drops import BigTeam
from tests.drops import DROPS, DataTeam, notification, order_row, orders_csv, zipped
from tests.functional.test_big_drop import KINDS, by_customer, table
from tests.functional.test_big_drop_kinds import FEATURES, parquet_of
from tests.gate import Died

LONG = orders_csv(*(order_row(f"o-{n}", f"c-{n % 9}", days_ago=20) for n in range(60)))
DENSE = zipped(LONG)
MOST_BYTES = 2_000
KEY = "orders/a.csv.gz"


def team(most_bytes: int = MOST_BYTES) -> BigTeam:
    """A team whose files are all below the threshold, and some too large for one function."""
    limits = DropLimits(most_bytes=most_bytes)
    return BigTeam(above_bytes=10_000_000, sized_by=1_000, limits=limits)


def test_what_is_too_large_when_unpacked_is_divided() -> None:
    """Stored and left behind is what the same text comes to where one function can hold it."""
    big, plain = team(), DataTeam()
    expected = plain.drop(KEY, DENSE)

    arrived = big.put(KEY, DENSE)
    assert len(DENSE) * 4 < MOST_BYTES < len(LONG)
    assert big.handle(arrived).state == "RUNNING"
    assert big.known(arrived).divided
    assert big.engine.run(arrived.drop_id) is None
    found = big.known(arrived)

    assert (found.state, found.divided) == ("COMPLETE", True)
    assert found.counts["ranges"] > 1
    assert {name: found.counts[name] for name in expected.counts} == expected.counts
    for kind in KINDS:
        assert big.store.all(kind) == plain.store.all(kind), kind
    assert by_customer(big.rows(found, "scores/")) == table(plain, expected, "scores.csv")


@pytest.mark.parametrize(
    ("key", "body", "most_bytes"),
    [
        ("features/a.csv.gz", zipped(FEATURES), 1_500),
        ("orders/a.csv", LONG.encode(), 1_500),
        ("orders/a.parquet", parquet_of(LONG, times=80), len(LONG) * 40),
    ],
    ids=["features", "plain text", "parquet"],
)
def test_any_file_that_is_too_large_is_divided(key: str, body: bytes, most_bytes: int) -> None:
    """Whatever its kind and format, as long as parts of it are small enough."""
    big = team(most_bytes)

    found = big.finish(big.put(key, body))

    assert found.counts.get("ranges", 0) > 1
    assert (found.state, found.divided) == ("COMPLETE", True), found.reason


def test_without_division_it_is_refused() -> None:
    """Nobody has said that files may be divided: the file is too large, as before."""
    plain = DataTeam(limits=DropLimits(most_bytes=MOST_BYTES))

    found = plain.drop(KEY, DENSE)

    assert (found.state, found.divided) == ("REJECTED", False)
    assert found.reason == f"file: is larger than {MOST_BYTES} bytes when unpacked"


def test_a_catalogue_stays_in_one_piece() -> None:
    """Of two statements about an article the later stands, so one that is too large is refused."""
    big = team()
    rows = "".join(f"A{n:05},10.00,USD\n" for n in range(300))

    found = big.drop("catalog/a.csv.gz", zipped(f"sku,base_price,currency\n{rows}"))

    assert found.state == "REJECTED"
    assert big.engine.names == {}


def test_a_bomb_ends_rejected_at_the_bound_of_divided_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """First too large for one function, then for all together; nothing of it counts or is left."""
    monkeypatch.setattr(big_plan, "MOST_TEXT_BYTES", 500_000)
    big = team()
    bomb = zipped(LONG + LONG.split("\n", 1)[1] * 200)
    arrived = big.put(KEY, bomb)

    found = big.finish(arrived)

    assert len(bomb) * 40 < 500_000
    assert (found.state, found.divided) == ("REJECTED", True)
    assert found.reason == "file: is larger than 500000 bytes when unpacked"
    assert big.results() == [f"results/{arrived.drop_id}/summary.json"]
    assert big.store.all("facts") == {}
    message = {"Records": [notification(arrived)]}
    assert big.deliver(message) == []
    assert big.known(arrived) == found


def downloads(big: BigTeam) -> list[str]:
    """What is downloaded whole from the bucket of dropped files, from now on."""
    seen: list[str] = []
    download = big.objects.download_to

    def counted(path: Any, *, bucket: str, **named: Any) -> None:
        if bucket == DROPS:
            seen.append(named["key"])
        download(path, bucket=bucket, **named)

    big.objects.download_to = counted  # type: ignore[method-assign]
    return seen


def test_a_redelivery_remembers_that_it_was_divided() -> None:
    """It neither unpacks the file again, nor takes back what is shown of the parts."""
    big = team()
    arrived = big.put(KEY, DENSE)
    message = {"Records": [notification(arrived)]}
    seen = downloads(big)
    assert big.deliver(message, message) == []
    assert (seen, list(big.engine.names)) == ([KEY], [arrived.drop_id])
    said: list[Any] = []

    def before(event: Mapping[str, Any]) -> None:
        if event["task"] == "join":
            shown = big.known(arrived)
            assert big.deliver(message) == []
            said.append((shown, big.known(arrived)))

    big.before = before
    big.engine.run(arrived.drop_id)

    [(shown, after)] = said
    assert shown == after
    assert shown.counts["ranges_done"] > 1
    assert seen == [KEY]
    assert big.known(arrived).state == "COMPLETE"


def test_an_execution_that_was_not_begun_is_begun_by_the_next_delivery() -> None:
    """Between the word that it is divided and the start nothing is lost, and nothing unpacked."""
    big = team()
    arrived = big.put(KEY, DENSE)
    message = {"Records": [notification(arrived)]}
    seen = downloads(big)
    big.engine.refusals.append(Transient("not now"))
    assert big.deliver(message) == ["m-0"]
    assert (big.known(arrived).state, big.known(arrived).divided) == ("RUNNING", True)

    assert big.deliver(message) == []
    big.engine.run(arrived.drop_id)

    assert seen == [KEY]
    assert big.known(arrived).state == "COMPLETE"


def test_what_another_delivery_has_begun_stays_as_it_stands() -> None:
    """Two find at once that the file is too large: the slower one takes no progress back."""
    big = team()
    arrived = big.put(KEY, DENSE)
    download = big.objects.download_to
    ran: list[str | None] = []

    def overtaken(path: Any, **named: Any) -> None:
        big.objects.download_to = download  # type: ignore[method-assign]
        big.handle(arrived)
        big.before = dies_after_its_ranges
        ran.append(big.engine.run(arrived.drop_id))
        download(path, **named)

    big.objects.download_to = overtaken  # type: ignore[method-assign]
    big.handle(arrived)

    assert ran == ["Runtime.ExitError"]
    shown = big.known(arrived)
    assert (shown.state, shown.divided) == ("RUNNING", True)
    assert shown.counts["ranges_done"] == shown.counts["ranges"] > 1


def dies_after_its_ranges(event: Mapping[str, Any]) -> None:
    """An execution that comes no farther than its ranges."""
    if event["task"] in ("join", "finish"):
        raise Died


def test_a_plan_without_a_word_before_it_is_a_divided_drop() -> None:
    """Whoever starts an execution by hand gets a drop that knows that it is divided."""
    big = team()
    arrived = big.put(KEY, DENSE)
    big.engine.start("by-hand", given={"drop": {"drop_id": arrived.drop_id, **_said(arrived)}})

    assert big.engine.run("by-hand") is None
    assert (big.known(arrived).state, big.known(arrived).divided) == ("COMPLETE", True)


def _said(arrived: Any) -> dict[str, Any]:
    return {name: getattr(arrived, name) for name in ("bucket", "key", "version_id", "etag")}
