"""Mail events that could not be taken in: no address of theirs waits anywhere, and none is lost.

SES's events hold addresses and subjects. One that fails is replaced by a copy without any, which
is what is tried again and what is parked in the end.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from chalicelib import telemetry
from chalicelib.core.canonical import canonical_json
from chalicelib.core.errors import Broken, Transient
from chalicelib.core.storage import Conflict
from chalicelib.flows.feedback_again import MOST_FAILURES, PAUSES_SECONDS
from tests.fakes import SIGNING_KEYS, MemoryStore
from tests.gate import Died
from tests.mail_events import notification, ses_event, take
from tests.mail_makers import EMAIL, World, hash_of, world_with_a_mail

ID = "e" * 32
CANARY = "quokka"
NAMES = ("send", "delivery", "bounce", "soft_bounce", "complaint", "reject", "open", "click")
KINDS = ("effect", "address", "breaker", "engagement")
# What SES says by itself, and what must be right for an event to be taken at all.
_SES_OWN = frozenset({"eventType", "timestamp", "arrivalDate", "messageId", "bounceType"})
Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def world() -> World:
    """Ada, to whom a mail was sent."""
    world = world_with_a_mail()
    world.act()
    world.store.calls.clear()
    return world


@pytest.fixture
def lines() -> Iterator[Lines]:
    """What was written to the log since."""
    stream = io.StringIO()
    telemetry.configure(stage="test", stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    telemetry.configure(stage="unset")


def spoilt(value: Any, name: str = "") -> Any:
    """The same with an address, a name and a subject in every field that is not SES's own."""
    if isinstance(value, dict):
        return {
            key: each if key in _SES_OWN or key == "effect_id" else spoilt(each, key)
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [spoilt(each, name) for each in value]
    if name in ("emailAddress", "destination", "recipients", "to"):
        return f"{CANARY}@example.com"
    if name == "link":
        return f"https://shop.example/?for={CANARY}@example.com"
    return f"{CANARY.title()} {CANARY}@example.com, 10% off, {CANARY}"


def body_of(name: str) -> str:
    """An event with canaries in every field, in an envelope with one."""
    event = spoilt(ses_event(name))
    text = notification(event, Subject=f"Amazon SES Email Event for {CANARY}")
    assert text.casefold().count(CANARY) > 10
    return text


def tables(store: MemoryStore) -> list[Any]:
    """Everything that an event may change."""
    return [dict(store.all(kind)) for kind in KINDS]


def unwrapped(body: dict[str, Any]) -> str:
    """A copy with what is encoded in it, to be searched."""
    encoded = body["stripped"].split(".")[1]
    return json.dumps(body) + base64.urlsafe_b64decode(encoded + "===").decode()


def waits(world: World) -> list[str]:
    """What lies in the queue and in its dead letters, to be searched."""
    return [unwrapped(each) for each in (*world.aside.messages, *world.parked.messages)]


def bodies(messages: list[dict[str, Any]]) -> list[str]:
    """Messages as they stand in a queue."""
    return [canonical_json(each).decode() for each in messages]


ERRORS: dict[str, Callable[[World], None]] = {
    "storage is down": lambda w: w.store.fail_reads(Transient("no answer")),
    "storage takes no write": lambda w: w.store.fail_writes(Transient("no answer")),
    "the reply is lost": lambda w: w.store.lose_replies(Transient("reply lost")),
    "every race is lost": lambda w: w.store.fail_writes(*[Conflict([])] * 5),
    "something is damaged": lambda w: w.store.fail_reads(Broken("damaged")),
    "a bug quotes them": lambda w: w.store.fail_reads(RuntimeError(f"no row for {CANARY}")),
    "a bug quotes them late": lambda w: w.store.fail_writes(KeyError(f"{CANARY}@example.com")),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("how", ERRORS)
def test_from_the_first_failure_to_the_dead_letters_nobody_is_named(
    world: World, name: str, how: str, lines: Lines
) -> None:
    """However it fails, each of five times; put back on its way it does what it always would."""
    reference = World(world.store.copy())
    assert take(reference, body_of(name)) == []
    waiting = [body_of(name)]
    for failures in range(1, MOST_FAILURES + 1):
        world.store.mend()
        ERRORS[how](world)
        assert take(world, *waiting) == []
        assert not any(CANARY in each.casefold() for each in waits(world))
        waiting = bodies(world.aside.drain())
        if how == "the reply is lost":  # it was applied: the copy finds that it is old news
            assert len(waiting) == (failures == 1)
    if how == "the reply is lost":
        assert not world.parked.messages
    else:
        assert len(world.parked.messages) == 1
        assert waiting == []
        assert world.aside.delays == list(PAUSES_SECONDS)
    assert CANARY not in json.dumps(lines()).casefold()

    world.store.mend()
    redriven = bodies(world.parked.drain())
    assert take(world, *redriven, *redriven, body_of(name), *redriven) == []

    assert tables(world.store) == tables(reference.store)
    assert CANARY not in str(tables(world.store)).casefold()
    assert not world.aside.messages


@pytest.mark.parametrize("name", NAMES)
def test_what_a_dead_worker_left_is_replaced_before_anything_else(
    world: World, name: str, lines: Lines
) -> None:
    """A second delivery means that the first said nothing: the raw event goes, the copy stays."""
    assert take(world, body_of(name), deliveries=2) == []

    assert world.store.calls == []
    assert [len(world.aside.messages), len(world.parked.messages)] == [1, 0]
    assert not any(CANARY in each.casefold() for each in waits(world))
    assert [line["event"] for line in lines()] == ["mail_event_put_aside"]

    reference = World(world.store.copy())
    take(reference, body_of(name))
    assert take(world, *bodies(world.aside.drain())) == []
    assert tables(world.store) == tables(reference.store)


def test_a_copy_that_kills_its_worker_each_time_is_parked_too(world: World) -> None:
    """Each death is found at the next delivery and counts as a failure."""
    waiting = [body_of("bounce")]
    for _ in range(MOST_FAILURES):
        world.store.fail_reads(Died())  # type: ignore[arg-type]
        with pytest.raises(Died):
            take(world, *waiting)
        assert take(world, *waiting, deliveries=2) == []
        waiting = bodies(world.aside.drain())

    assert waiting == []
    [parked] = world.parked.drain()
    assert CANARY not in unwrapped(parked).casefold()
    assert take(world, *bodies([parked])) == []
    assert world.effect().state == "BOUNCED"


@pytest.mark.parametrize("deliveries", [1, 2])
def test_an_event_is_never_done_with_before_its_copy_is_sent(
    world: World, deliveries: int, lines: Lines
) -> None:
    """While the queue takes nothing either, the event comes back as it is; nothing is lost."""
    world.store.fail_reads(Transient("storage is down"))
    world.aside.fail_next(RuntimeError(f"{CANARY}@example.com"))

    assert take(world, body_of("bounce"), deliveries=deliveries) == ["m-0"]

    assert not waits(world)
    assert CANARY not in json.dumps(lines()).casefold()
    world.store.mend()
    assert take(world, body_of("bounce"), deliveries=3) == []
    assert take(world, *bodies(world.aside.drain())) == []
    assert world.effect().state == "BOUNCED"


def test_when_all_goes_well_nothing_more_is_called(world: World) -> None:
    """One read and one write for an event, and no message to anybody."""
    assert take(world, body_of("bounce")) == []

    assert world.store.calls == [("read", 3), ("write", 3)]
    assert (world.aside.delays, world.parked.delays) == ([], [])


def test_a_copy_suppresses_by_the_name_of_the_address(world: World) -> None:
    """The hash that names the address in storage stands in the copy, not the address."""
    world.store.fail_reads(Transient("no answer"))
    assert take(world, notification(ses_event("bounce"))) == []
    [copy] = world.aside.drain()
    assert EMAIL not in unwrapped(copy)
    assert hash_of(EMAIL) in unwrapped(copy)

    assert take(world, *bodies([copy])) == []

    [state] = world.store.all("address").values()
    assert set(state.suppressed) == {"marketing", "transactional"}


def put_aside(world: World, name: str = "bounce") -> str:
    """A copy that this world made."""
    assert take(world, body_of(name), deliveries=2) == []
    [body] = bodies(world.aside.drain())
    return body


@pytest.mark.parametrize("place", ["payload", "signature"])
def test_a_forged_copy_is_refused_by_name_and_changes_nothing(
    world: World, place: str, lines: Lines
) -> None:
    """Whoever may write into the queue cannot make up what became of a mail."""
    kid, payload, signature = json.loads(put_aside(world))["stripped"].split(".")
    lie = json.loads(base64.urlsafe_b64decode(payload + "==="))
    lie["event"]["word"] = "complaint_abuse"
    altered = base64.urlsafe_b64encode(json.dumps(lie).encode()).decode().rstrip("=")
    token = {
        "payload": f"{kid}.{altered}.{signature}",
        "signature": f"{kid}.{payload}.{signature[:-1]}",
    }[place]
    before = tables(world.store)

    assert take(world, json.dumps({"stripped": token})) == []

    assert tables(world.store) == before
    assert not waits(world)
    [line] = [line for line in lines() if line["event"] == "mail_event_refused"]
    assert (line["reason"], line["MailEventsRefused"]) == ("forged", 1)


def test_10_000_forged_copies_change_nothing(world: World, lines: Lines) -> None:
    """Signatures are guessed in vain: each is refused, none is kept."""
    kid, payload, _ = json.loads(put_aside(world))["stripped"].split(".")
    before = tables(world.store)
    guesses = (f"{number:022x}" for number in range(10_000))
    forged = [json.dumps({"stripped": f"{kid}.{payload}.{guess}"}) for guess in guesses]

    assert take(world, *forged) == []

    assert sum(line.get("MailEventsRefused", 0) for line in lines()) == 10_000
    assert tables(world.store) == before
    assert not waits(world)


def test_a_copy_of_another_stage_is_refused(world: World, lines: Lines) -> None:
    """Its keys are others, even if they go by the same name."""
    body = put_aside(world)
    others = replace(SIGNING_KEYS, keys={"k1": b"x" * 32})

    assert take(world, body, keys=others) == []

    assert [line["reason"] for line in lines() if "reason" in line] == ["forged"]


def test_a_rotation_loses_no_copy(world: World, lines: Lines) -> None:
    """A worker that has not read the new key yet gives the copy back; it does not refuse it."""
    rotated = replace(SIGNING_KEYS, current="k2", keys={**SIGNING_KEYS.keys, "k2": b"n" * 32})
    old = put_aside(world)
    assert take(world, body_of("complaint"), deliveries=2, keys=rotated) == []
    [new] = bodies(world.aside.drain())

    assert take(world, new) == ["m-0"]
    assert take(world, old, keys=rotated) == []
    # By then every worker has read it.
    assert take(world, new, deliveries=2, keys=rotated) == []
    assert take(world, *bodies(world.aside.drain()), keys=rotated) == []

    assert world.effect().state == "COMPLAINED"
    assert not any(line["event"] == "mail_event_refused" for line in lines())


def test_a_key_that_nobody_ever_had_is_forged(world: World, lines: Lines) -> None:
    """It is waited for as often as anything else is tried, and then refused, not parked."""
    body = put_aside(world).replace("k1.", "k9.", 1)
    answers = [
        take(world, body, deliveries=deliveries) for deliveries in range(1, MOST_FAILURES + 1)
    ]

    assert answers == [["m-0"]] * (MOST_FAILURES - 1) + [[]]
    assert [line["reason"] for line in lines() if line["event"] == "mail_event_refused"] == [
        "forged"
    ]
    assert not waits(world)


def test_a_copy_that_a_rule_refuses_is_done_with(world: World, lines: Lines) -> None:
    """As its event would have been: the ledger has forgotten the mail meanwhile."""
    body = put_aside(world)
    empty = World()

    assert take(empty, body) == []

    assert not waits(empty)
    assert tables(empty.store) == tables(World().store)
    [line] = [line for line in lines() if line["event"] == "mail_event_refused"]
    assert line["reason"] == "unknown_effect"


def fuzzed(value: Any, chance: Random) -> Any:
    """The same with canaries in some places: as values, as names, instead of a whole."""
    if chance.random() < 0.04:
        return chance.choice(
            [f"{CANARY}@example.com", f"{CANARY.title()}\u202e", [CANARY], {CANARY: CANARY}, None]
        )
    if isinstance(value, dict):
        more = {f"{CANARY}-{chance.randrange(9)}": CANARY} if chance.random() < 0.1 else {}
        return {name: fuzzed(each, chance) for name, each in value.items()} | more
    return [fuzzed(each, chance) for each in value] if isinstance(value, list) else value


def test_2_000_fuzzed_events_name_nobody_anywhere(lines: Lines) -> None:
    """Broken events, broken storage, a broken queue, dead workers, redelivery: 0 canaries.

    In no line and in no message that we wrote, from the first failure to the dead letters.
    """
    world = world_with_a_mail()
    world.act()
    chance = Random(20260225)  # noqa: S311 - replays
    hits: list[str] = []
    parked = 0
    for _ in range(2_000):
        event = fuzzed(spoilt(ses_event(chance.choice(NAMES))), chance)
        arrived = notification(event, Subject=CANARY)
        waiting = [(fuzzed_text(arrived, chance), chance.choice([1, 1, 2]))]
        lasting = chance.choice([None, *ERRORS.values()])
        for _ in range(12):
            world.store.mend()
            if chance.random() < 0.9:
                (lasting or chance.choice(list(ERRORS.values())))(world)
            if chance.random() < 0.1:
                world.aside.fail_next(RuntimeError(CANARY))
            returned = [
                (body, deliveries + 1)
                for body, deliveries in waiting
                if take(world, body, deliveries=deliveries)
            ]
            hits += [each for each in waits(world) if CANARY in each.casefold()]
            waiting = returned + [(body, 1) for body in bodies(world.aside.drain())]
        parked += len(world.parked.drain())

    assert hits == []
    assert CANARY not in json.dumps(lines()).casefold()
    assert CANARY not in str(tables(world.store)).casefold()
    said = {line["event"] for line in lines()}
    assert {"mail_event", "mail_event_refused", "mail_event_parked", "effect_failed"} <= said
    assert parked > 100


def fuzzed_text(text: str, chance: Random) -> str:
    """A body that is sometimes no JSON, or cut."""
    how = chance.random()
    return CANARY if how < 0.02 else text[: len(text) // 2] if how < 0.04 else text
