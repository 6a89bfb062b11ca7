"""What a worker does with the messages of each queue: the product's handlers, behind the gate."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalicelib.aws.items import key_of
from chalicelib.core.effects import Effect
from chalicelib.core.errors import SegueError, Transient
from chalicelib.core.kinds import EFFECT
from chalicelib.core.ports import AgainPorts
from chalicelib.core.storage import Key
from chalicelib.documents import Documents
from chalicelib.flows import (
    act,
    big,
    drop,
    drop_queue,
    feedback,
    relay,
    silence,
    simulation,
    sweep,
)
from chalicelib.flows.big_begin import Division
from chalicelib.flows.big_sizes import Sizes
from chalicelib.flows.drop_work import DropLimits, DropPorts
from chalicelib.flows.erase import erase_customer
from chalicelib.flows.feedback import FeedbackPorts
from chalicelib.flows.rulebook import Rulebook
from chalicelib.flows.settled import EventPorts
from chalicelib.flows.sweep import SweepPorts
from tests.big_drops import packaged_definition
from tests.crash.ports import GatedMachine, GatedObjects
from tests.fakes import SIGNING_KEYS
from tests.mail_events import TOPIC
from tests.step_functions import Engine
from tests.stores import no_sleep

if TYPE_CHECKING:
    from tests.crash.world import World

# Thousands of small files: where the machine has a file system in memory, they are made there.
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - each run makes a folder of its own in it
IN_MEMORY = _SHARED_MEMORY if os.access(_SHARED_MEMORY, os.W_OK) else None


@dataclass(slots=True)
class Message:
    """Something to be done by a worker.

    Attributes:
        queue: where it waits.
        body: what its handler understands; for ``http`` the call itself.
        at: from when it is visible.
        then: what the caller does once this is answered.
        deliveries: how often a worker has had it.
    """

    queue: str
    body: Any
    at: int = 0
    then: Message | None = None
    deliveries: int = 0


def _records(batch: Sequence[Message]) -> dict[str, Any]:
    """Lambda's SQS event."""
    return {
        "Records": [
            {
                "messageId": f"m-{number}",
                "body": m.body if isinstance(m.body, str) else json.dumps(m.body),
                "attributes": {"ApproximateReceiveCount": str(m.deliveries)},
                "eventSource": "aws:sqs",
            }
            for number, m in enumerate(batch)
        ]
    }


def _failed(answer: Mapping[str, Any]) -> set[int]:
    return {int(each["itemIdentifier"].split("-")[1]) for each in answer["batchItemFailures"]}


def _relay(world: World, batch: Sequence[Message], _worker: str) -> set[int]:
    records = [
        {
            "eventName": "INSERT",
            "dynamodb": {
                "Keys": key_of(key),
                "NewImage": {"body": {"S": json.dumps(key.kind.to_json(value))}},
                "SequenceNumber": f"s-{number}",
            },
        }
        for number, (key, value) in enumerate(_named(m.body) for m in batch)
    ]
    answer = relay.from_stream(
        {"Records": records}, queue=world.queue(), store=world.gated, now=world.clock.now
    )
    # A stream begins again at what failed, with all that came after it.
    return {n for n in range(len(batch)) if n >= min(_failed(answer), default=len(batch))}


def _named(body: Any) -> tuple[Key[Any], Any]:
    """What the stream says was stored: an effect, or anything with its key."""
    return (EFFECT.key(body.effect_id), body) if isinstance(body, Effect) else body


def _act(world: World, batch: Sequence[Message], worker: str) -> set[int]:
    return _failed(
        act.from_messages(
            _records(batch), ports=world.act_ports(), now=world.clock.now, worker=worker
        )
    )


def _hear(world: World, batch: Sequence[Message], _worker: str) -> set[int]:
    queue = world.queue("feedback")  # what is parked is put back on its way at once
    ports = FeedbackPorts(world.gated, SIGNING_KEYS, TOPIC, AgainPorts(queue, queue))
    return _failed(feedback.from_messages(_records(batch), ports=ports, now=world.clock.now))


def _drop_ports(world: World) -> DropPorts:
    limits = DropLimits(
        customers_at_once=2, parallel_writes=1, most_bytes=world.most_bytes or 512 << 20
    )
    divided: dict[str, Any] = {}
    if world.above_bytes is not None:
        divided["sizes"] = Sizes(world.part_bytes or world.above_bytes, parts_in_one=1)
        divided["division"] = Division(GatedMachine(world.gate, _Machine(world)), world.above_bytes)
    return DropPorts(
        world.gated,
        GatedObjects(world.gate, world.objects),
        "results",
        Documents().mapping,
        limits,
        workdir=IN_MEMORY,
        **divided,
    )


def _take_drop(world: World, batch: Sequence[Message], _worker: str) -> set[int]:
    def take_files(event: Mapping[str, Any], *, now: int) -> Any:
        return drop.from_messages(
            event,
            ports=_drop_ports(world),
            rules=world.rules,
            keys=SIGNING_KEYS,
            now=now,
            # A second at each look, so that every chunk's progress is saved, in every run alike.
            clock=itertools.count().__next__,
        )

    def night() -> Any:
        raise NotImplementedError("no case is about a night")

    answer = drop_queue.from_messages(
        _records(batch),
        take_files=take_files,
        night=night,
        simulation=lambda: _simulation_ports(world),
        now=world.clock.now,
    )
    return _failed(answer)


def _simulation_ports(world: World) -> simulation.SimulationPorts:
    """Portions of two, and a turn that is over after three looks at the clock or so."""
    return simulation.SimulationPorts(
        world.gated,
        GatedObjects(world.gate, world.objects),
        "results",
        world.queue("drops"),
        Rulebook(world.rules, lambda policy: replace(world.rules, policy=policy)),
        clock=itertools.count().__next__,
        portion=2,
        turn_seconds=20,
    )


@dataclass(frozen=True, slots=True)
class _Machine:
    """The state machine itself: an execution of each name, which a worker runs."""

    world: World

    def start(self, name: str, *, given: Mapping[str, Any]) -> bool:
        """As ``Machine.start``."""
        begun = self.world.notes.setdefault("executions", {})
        if name in begun:
            return False
        begun[name] = given
        self.world.put(Message("parts", name, self.world.clock.now))
        return True


def _work_on_parts(world: World, batch: Sequence[Message], _worker: str) -> set[int]:
    """One execution, from its first task to its last; the machine retries what fails."""
    (message,) = batch

    def work(event: dict[str, Any]) -> Any:
        return big.work(
            event,
            ports=_drop_ports(world),
            rules=world.rules,
            keys=SIGNING_KEYS,
            now=world.clock.now,
        )

    engine = Engine(packaged_definition(), work, world.objects.body)
    engine.names = world.notes["executions"]
    error = engine.run(message.body)
    if error is not None:
        world.model.wrong(f"an execution failed: {error}")
    return set()


def _answer(world: World, batch: Sequence[Message], _worker: str) -> set[int]:
    """A call of a client, who comes again when it was not answered; a refusal is an answer."""
    (message,) = batch
    try:
        message.body(world)
    except Transient:
        return {0}
    except SegueError as refusal:
        world.notes.setdefault("refused", []).append(str(refusal))
    return set()


def look_after(world: World) -> None:
    """The schedule that looks after effects that stand still."""
    sweep.sweep(
        ports=SweepPorts(world.gated, world.queue()), now=world.clock.now, correlation_id="sweep"
    )


def review(world: World) -> None:
    """The schedule that looks after silence."""
    silence.review_due(
        ports=EventPorts(world.gated),
        rules=world.rules,
        keys=SIGNING_KEYS,
        now=world.clock.now,
        correlation_id="review",
    )


def forget(world: World, customer_id: str, *, store: Any = None) -> None:
    """A customer's erasure, asked for until it is complete."""
    erasure = erase_customer(
        customer_id,
        store=store or world.gated,
        keys=SIGNING_KEYS,
        new_key=lambda: "0a" * 16,
        pause=no_sleep,
        now=world.clock.now,
        key_id="k",
        correlation_id="erasing",
    )
    if not erasure.is_complete:
        raise Transient("there is more: ask again")


HANDLERS: Mapping[str, Callable[[World, Sequence[Message], str], set[int]]] = {
    "stream": _relay,
    "effects": _act,
    "feedback": _hear,
    "drops": _take_drop,
    "parts": _work_on_parts,
    "http": _answer,
}
