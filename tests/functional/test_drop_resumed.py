"""A drop that is broken off at any call, and delivered again, ends as if nothing had happened."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Any

import pytest

from chalicelib.aws.deadline import Deadline
from chalicelib.core.control import Drop
from chalicelib.core.errors import Broken, Transient
from chalicelib.core.kinds import DROP
from chalicelib.core.storage import WHATEVER, Put, Write
from chalicelib.core.subject import customer
from chalicelib.files.records import OrderLine
from chalicelib.flows.drop import MOST_DELIVERIES
from chalicelib.flows.drop_fold import DropGiven
from chalicelib.flows.drop_notice import Arrived
from chalicelib.flows.drop_orders import by_order
from chalicelib.flows.drop_people import fold_people
from chalicelib.flows.drop_person import Person
from chalicelib.flows.drop_work import DropLimits
from chalicelib.flows.settled import Given
from ops.template import read_template
from tests.drops import RESULTS, DataTeam, notification, order_row, orders_csv
from tests.fakes import SIGNING_KEYS, MemoryStore
from tests.makers import DAY_SECONDS, NOW, identify
from tests.shop import Shop, bought

EXPORT = "\n".join(
    (
        "Auftrag;Kunde;Datum;Menge;Einzelpreis;Status",
        *(f"A{n};c-{n % 3};0{n + 1}.08.2026;1;30,00;x" for n in range(6)),
        "A1;c-1;09.08.2026;-1;5,00;x",
        "A2;c-2;09.08.2026;1;5,00;storniert",
        "A3;c-0;immer;1;5,00;x",
        "A9;c-3;09.08.2026;1;5,00;x",
        "A9;c-3;09.08.2026;1;5,00;x",
    )
)
KEY = "orders/semicolon-latin1/export.csv"
KINDS = ("facts", "contact", "order", "message", "effect", "coupon", "live", "contacted", "record")


def prepared() -> tuple[DataTeam, Arrived]:
    """A team with contacts and a segment to change, and a file that is still to be handled."""
    team = DataTeam(limits=DropLimits(customers_at_once=2, parallel_writes=1))
    shop = Shop(store=team.store, rules=team.rules)
    consent: Any = {"country": "US", "consent_marketing_email": True}
    for n in range(4):
        shop.send(identify(user=f"c-{n}", email=f"c{n}@example.com", **consent))
    shop.send(bought("c-0", "o-1", days_ago=300))
    return team, team.put(KEY, EXPORT)


def ending(team: DataTeam, drop: Drop) -> dict[str, Any]:
    """Everything that a drop leaves behind, except how long it took."""
    summary = {
        name: value
        for name, value in json.loads(team.result(drop, "summary.json")).items()
        if name not in ("seconds", "changed_at")
    }
    return {
        "summary": summary,
        "scores": team.result(drop, "scores.csv"),
        "unscored": team.result(drop, "unscored.csv"),
        "rejects": team.result(drop, "rejects.csv"),
        "objects": team.objects.keys(RESULTS),
        **{kind: team.store.all(kind) for kind in KINDS},
    }


def faults() -> dict[str, Any]:
    """How to break the calls of each kind."""
    return {
        "read": lambda team, *errors: team.store.fail_reads(*errors),
        "write": lambda team, *errors: team.store.fail_writes(*errors),
        "reply": lambda team, *errors: team.store.lose_replies(*errors),
        "object": lambda team, *errors: team.objects.fail_next(*errors),
    }


@pytest.mark.parametrize("fault", ["read", "write", "reply", "object"])
def test_a_drop_broken_at_any_call_ends_like_an_unbroken_one(fault: str) -> None:
    """Profiles, orders, effects and all three result files are the same, whichever call failed."""
    unbroken, arrived = prepared()
    expected = ending(unbroken, unbroken.handle(arrived))
    assert expected["summary"]["state"] == "COMPLETE"
    assert expected["summary"]["counts"]["duplicate"] == 1
    assert expected["summary"]["counts"]["rejected"] == 2
    assert expected["effect"]

    for at in range(1_000):
        team, arrived = prepared()
        faults()[fault](team, *[None] * at, Transient("not now"))
        failed = team.deliver({"Records": [notification(arrived)]})
        if not failed:
            break

        assert team.deliver({"Records": [notification(arrived)]}) == []

        key = DROP.key(arrived.drop_id)
        drop = team.store.read([key], now=NOW).value(key)
        assert drop is not None
        found = ending(team, drop)
        # An announcement is counted by the attempt that stored it.
        for each in (found, expected):
            each["summary"]["effects"].pop("event", None)
            each["summary"]["counts"].pop("effects_event", None)
        assert found == expected, f"{fault} {at}"
    assert at >= 4


def test_a_slow_worker_does_not_undo_the_end(prepared_team: tuple[DataTeam, Arrived]) -> None:
    """Two deliveries at once: who is last finds the other's end, and leaves it."""
    team, arrived = prepared_team
    done: list[Drop] = []
    team.store.before_write = lambda: done.append(team.handle(arrived))

    late = team.handle(arrived)

    assert late == done[0]
    assert late.state == "COMPLETE"


def test_progress_is_seen_while_it_is_made(prepared_team: tuple[DataTeam, Arrived]) -> None:
    """Each phase as it begins, and after each second's customers the counts so far."""
    team, arrived = prepared_team
    seen: list[tuple[str, str | None, int]] = []
    key = DROP.key(arrived.drop_id)
    write = team.store.write

    def watch(writes: Any, **options: Any) -> None:
        write(writes, **options)
        for each in writes:
            if isinstance(each, Put) and each.key == key:
                seen.append(
                    (each.value.state, each.value.phase, each.value.counts.get("folded", 0))
                )

    team.store.write = watch  # type: ignore[method-assign]
    team.handle(arrived, clock=itertools.count().__next__)

    assert seen == [
        ("RUNNING", "fetching", 0),
        ("RUNNING", "reading", 0),
        ("RUNNING", "folding", 0),
        ("RUNNING", "folding", 4),
        ("RUNNING", "folding", 8),
        ("RUNNING", "finishing", 8),
        ("COMPLETE", None, 8),
    ]


def test_progress_costs_one_write_a_second(prepared_team: tuple[DataTeam, Arrived]) -> None:
    """Whatever is done within one second is saved with the next phase, not by itself."""
    team, arrived = prepared_team
    team.limits = DropLimits(customers_at_once=1)
    team.store.calls.clear()

    team.handle(arrived, clock=lambda: 7.5)

    alone = [size for name, size in team.store.calls if (name, size) == ("write", 1)]
    assert len(alone) == len(
        ("fetching", "reading", "folding", "finishing", "the newest", "its end")
    )


def test_a_drop_that_was_begun_by_a_dead_worker_is_taken_up(
    prepared_team: tuple[DataTeam, Arrived],
) -> None:
    """RUNNING says that somebody began, not that somebody is at it; when it began is kept."""
    team, arrived = prepared_team
    begun = Drop(arrived.drop_id, KEY, "RUNNING", NOW, NOW - 5_400, NOW - 5_400)
    team.store.write([Put(DROP.key(arrived.drop_id), begun, WHATEVER)], now=NOW)

    drop = team.handle(arrived)

    assert (drop.state, drop.started_at) == ("COMPLETE", NOW - 5_400)


class Unwritable(MemoryStore):
    """Storage that takes nothing but what is said of drops, while ``broken``."""

    broken = True

    def write(self, writes: Sequence[Write], *, now: int, deadline: Deadline | None = None) -> None:
        """As ``MemoryStore.write``."""
        if self.broken and any(write.key.kind.name != DROP.name for write in writes):
            raise Broken("refused")
        super().write(writes, now=now, deadline=deadline)


def test_a_drop_that_fails_for_the_last_time_says_so_and_can_be_taken_up() -> None:
    """Its message lies with the dead letters then; sent back, it finds the drop open."""
    store = Unwritable()
    team = DataTeam(store=store)
    arrived = team.put("orders/a.csv", orders_csv(order_row("o-1", "c-1", days_ago=3)))
    said = {"Records": [notification(arrived)]}
    key = DROP.key(arrived.drop_id)

    def standing() -> Drop:
        drop = team.store.read([key], now=NOW).value(key)
        assert drop is not None
        return drop

    states = []
    for times in range(1, MOST_DELIVERIES + 1):
        assert team.deliver(said, times=times) == ["m-0"]
        states.append(standing().state)
    assert states == [*["RUNNING"] * (MOST_DELIVERIES - 1), "PARTIAL"]
    reason = standing().reason or ""
    assert "could not be finished (Broken)" in reason
    assert "ops redrive drops" in reason

    store.broken = False
    assert team.deliver(said) == []
    drop = standing()
    assert (drop.state, drop.reason, drop.counts["folded"]) == ("COMPLETE", None, 1)


def test_deliveries_are_counted_as_the_queue_counts_them() -> None:
    """The queue's own bound, after which a message lies with the dead letters."""
    queue = read_template()["Resources"]["DropsQueue"]["Properties"]

    assert queue["RedrivePolicy"]["maxReceiveCount"] == MOST_DELIVERIES


@pytest.fixture
def prepared_team() -> tuple[DataTeam, Arrived]:
    """As ``prepared``."""
    return prepared()


@pytest.mark.parametrize("parallel_writes", [1, 8])
def test_results_do_not_depend_on_how_much_is_written_at_once(parallel_writes: int) -> None:
    """One writer or eight: the same files, the same effects, for customers who share addresses."""
    people = "customer_id,email,country,consent_marketing_email\n" + "".join(
        f"c-{n:03},shared{n % 7}@example.com,US,true\n" for n in range(60)
    )
    rows = [order_row(f"o-{n}", f"c-{n:03}", days_ago=100) for n in range(60)]
    found = []
    for writes in (1, parallel_writes):
        team = DataTeam(limits=DropLimits(customers_at_once=50, parallel_writes=writes))
        team.drop("customers/a.csv", people)
        found.append(ending(team, team.drop("orders/a.csv", orders_csv(*rows))))

    assert found[0] == found[1]
    assert sum(effect.kind == "mail" for effect in found[0]["effect"].values()) == 7


class Backwards(Executor):
    """Runs everything at once, and the last of it first."""

    def map(self, fn: Any, *iterables: Any, **_: Any) -> Any:
        """As ``Executor.map``, in another order."""
        calls = [*zip(*iterables, strict=True)]
        return reversed([fn(*call) for call in reversed(calls)])


def test_chance_does_not_choose_among_customers_of_one_address() -> None:
    """Whichever write comes first, the mail is for the first of them in the file."""
    people = [Person(customer(f"c-{n}"), orders=by_order([sale(n)])) for n in range(3)]
    team, shop = DataTeam(), Shop()
    for n in range(3):
        shop.send(identify(user=f"c-{n}", email="a@example.com", consent_marketing_email=True))
    team.store = shop.store
    given = Given(team.rules, SIGNING_KEYS, NOW, "drop-1")

    outcomes = fold_people(
        people, store=team.store, executor=Backwards(), about=DropGiven(given, "1", NOW)
    )

    rows = [outcome.row for outcome in outcomes]
    assert [row.reason for row in rows if row is not None] == [
        "highest_priority",
        "contacted_recently",
        "contacted_recently",
    ]


def sale(n: int) -> OrderLine:
    """An order of long ago."""
    at = NOW - 100 * DAY_SECONDS
    return OrderLine(n, "sale", f"o-{n}", f"c-{n}", at, 3000, "USD", content=str(n))
