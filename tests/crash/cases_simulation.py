"""A simulation: asked for with a click, done in portions, and every one of its calls may break.

Somebody else clicks meanwhile, and another worker has the same message; a turn ends in the middle,
so that its last message is one that it sent itself.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from chalicelib.core.canonical import canonical_json
from chalicelib.core.instants import format_instant
from chalicelib.core.kinds import RECORD, SIMULATION, STORED_POLICY
from chalicelib.core.simulation_job import Asked
from chalicelib.core.storage import WHATEVER, Put
from chalicelib.core.subject import customer
from chalicelib.flows import simulation, simulation_ask
from chalicelib.flows.chronicle import DECISIONS
from chalicelib.flows.policies import store_policy
from ops.simulation.comparison import compare
from tests.crash.bugs import Planted, add, replaced
from tests.crash.cases import Case, register
from tests.crash.workers import Message
from tests.crash.world import World
from tests.functional.test_policies import document
from tests.unit.core.situations import NOW, buyer, checkout, shipped_rules
from tests.unit.core.test_exploration import recorded

DECIDED = 7


def asked_world() -> World:
    """A policy that is stored, and seven decisions of today in the log and in the table."""
    rules = shipped_rules()
    world = World(NOW, rules, counted=frozenset({"http", "drops"}))
    policy = store_policy(
        document(discount=900),
        store=world.store,
        rules=rules,
        now=NOW,
        key_id="author",
        correlation_id="r-0",
    )
    situations = []
    for number in range(DECIDED):
        subject = customer(f"c-{number}")
        facts = buyer(silent_days=(100, 5)[number % 2], subject=subject)
        situations.append(
            checkout(decision_id=f"d_{number:04}", subject=subject, facts=facts, as_of=NOW)
        )
    for each in situations:
        put = Put(RECORD.key(each.decision_id), recorded(each, rules.policy), WHATEVER)
        world.store.write([put], now=NOW)
    lines = [canonical_json({"decision_id": each.decision_id}) + b"\n" for each in situations]
    key = f"{DECISIONS}/date={format_instant(NOW)[:10]}/1.jsonl.gz"
    world.objects.arrive("results", key=key, body=gzip.compress(b"".join(lines), mtime=0))
    after = replace(rules, policy=policy)
    world.notes["policy"] = policy.hash
    world.notes["figures"] = compare(situations, before=rules, after=after).figures()
    world.meanwhile = _click_and_work
    return world


def _click(world: World, *, run_id: str) -> None:
    simulation_ask.ask(
        world.notes["policy"],
        Asked(days=5),
        deciding=world.rules.policy.hash,
        run_id=run_id,
        store=world.gated,
        queue=world.queue("drops"),
        now=world.clock.now,
        key_id="asker",
        correlation_id="asking",
    )


def _click_and_work(world: World) -> None:
    """Another operator clicks, and another worker gets whatever waits beside."""
    world.notes["clicks"] = world.notes.get("clicks", 0) + 1
    _click(world, run_id=f"beside-{world.notes['clicks']}")


def ask_for_it(world: World) -> None:
    """An operator clicks until they are answered; each click would name a run of its own."""

    def click(world: World) -> None:
        world.notes["runs"] = world.notes.get("runs", 0) + 1
        _click(world, run_id=f"run-{world.notes['runs']}")

    world.ask(click)


def _counted_once(world: World) -> Sequence[str]:
    """Every run that was begun ended with the figures of all decisions, written down once."""
    wrong = []
    [job] = world.store.all(SIMULATION.name).values()
    if job.state != "DONE":
        wrong.append(f"a simulation ended {job.state}: {job.reason}")
    stored = world.store.all(STORED_POLICY.name)[f"policy#{world.notes['policy']}"]
    runs = [each.figures["run_id"] for each in stored.simulations]
    if len(runs) != len(set(runs)) or job.run_id not in runs:
        wrong.append("a simulation was written down twice, or not at all")
    for each in stored.simulations:
        told = {**each.figures}
        skipped = (told.pop("run_id"), told.pop("skipped"))[1]
        if _plain(told) != _plain(world.notes["figures"]) or skipped:
            wrong.append("a simulation counted a decision twice, or left one out")
    return wrong


def _plain(figures: Any) -> Any:
    return json.loads(canonical_json(figures))


def announce_again(world: World) -> None:
    """A message of a run that nobody knows, beside the one that counts."""
    ask_for_it(world)
    body = simulation_ask.Message(world.notes["policy"], "run-0").body()
    world.put(Message("drops", body, world.clock.now))


def _save_blindly(key: Any, job: Any, _version: int, store: Any, now: int) -> None:
    store.write([Put(key, job, WHATEVER)], now=now)


register(
    Case(
        "drop, a simulation",
        "drop",
        asked_world,
        announce_again,
        check=_counted_once,
        most_pairs=3_000,
    ),
)
add(
    Planted(
        "a portion over another",
        "A portion is saved whatever stands there by now.",
        ["drop, a simulation"],
        stand=lambda: replaced((simulation, "save_job", _save_blindly)),
    )
)
