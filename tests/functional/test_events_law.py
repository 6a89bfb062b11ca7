"""The law of events: neither the order of arrival nor repetition changes what profiles say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from chalicelib.core.kinds import CONTACT, FACTS
from chalicelib.core.subject import Subject, customer, guest
from chalicelib.flows.events import EventPorts, from_request
from chalicelib.flows.silence import review_due
from tests.fakes import SIGNING_KEYS, MemoryStore
from tests.histories import FAMILIES, Story, expected, messages, told
from tests.makers import NOW, Raw, rules_with

RULES = rules_with()
SUBJECTS = [
    subject
    for user, visitor in FAMILIES
    for subject in (guest(visitor), *(() if user is None else (customer(user),)))
]


def send(store: MemoryStore, batch: Sequence[Raw]) -> dict[str, Any]:
    """One request."""
    return from_request(
        {"batch": list(batch)},
        ports=EventPorts(store),
        rules=RULES,
        keys=SIGNING_KEYS,
        now=NOW,
        correlation_id="r-1",
    )


def sent_by(store: MemoryStore, batch: Sequence[Raw]) -> dict[str, Raw]:
    """One request, all of it taken; its messages by id."""
    answer = send(store, batch)
    assert answer["accepted"] + answer["duplicates"] == len(batch)
    return {raw["messageId"]: raw for raw in batch}


def stories(store: MemoryStore) -> dict[Subject, Story]:
    """What storage says of everybody."""
    found = store.read([k.key(s.key) for s in SUBJECTS for k in (FACTS, CONTACT)], now=NOW)
    return {
        subject: told(found.value(FACTS.key(subject.key)), found.value(CONTACT.key(subject.key)))
        for subject in SUBJECTS
    }


def expected_stories(sent: Iterable[Raw]) -> dict[Subject, Story]:
    """What the messages say of everybody."""
    adds_up = expected(sent, now=NOW)
    return {subject: adds_up.get(subject, Story()) for subject in SUBJECTS}


@settings(max_examples=60)
@given(history=st.lists(messages(), min_size=1, max_size=12), data=st.data())
def test_any_order_any_repetition_and_any_batches_give_the_same_profiles(
    history: list[Raw], data: st.DataObject
) -> None:
    """Shuffled, repeated and cut into requests, messages add up to the same, merges included."""
    again = data.draw(st.lists(st.sampled_from(history), max_size=6), label="repeated")
    arrival = data.draw(st.permutations([*history, *again]), label="arrival")
    store, counted = MemoryStore(), 0

    while arrival:
        size = data.draw(st.integers(1, len(arrival)), label="size")
        answer = send(store, arrival[:size])
        assert answer["rejected"] == []
        counted += answer["accepted"]
        arrival = arrival[size:]

    assert stories(store) == expected_stories(history)
    assert counted == len({raw["messageId"] for raw in history})


class Arrivals(RuleBasedStateMachine):
    """Requests, repetitions and runs of the schedule, in any order, against the bare law."""

    @initialize()
    def start(self) -> None:
        """Begin with empty storage."""
        self.store = MemoryStore()
        self.sent: dict[str, Raw] = {}

    @rule(batch=st.lists(messages(), min_size=1, max_size=5))
    def arrive(self, batch: list[Raw]) -> None:
        """New messages arrive in one request."""
        new = {raw["messageId"]: raw for raw in batch if raw["messageId"] not in self.sent}

        answer = send(self.store, batch)

        assert answer == {
            "accepted": len(new),
            "duplicates": len(batch) - len(new),
            "rejected": [],
        }
        self.sent |= new

    @rule(
        batch=st.lists(messages(), min_size=1, max_size=3),
        rival=st.lists(messages(), min_size=1, max_size=3),
    )
    def race(self, batch: list[Raw], rival: list[Raw]) -> None:
        """Another request stores its messages between our read and our write."""
        self.store.before_write = lambda: self.sent.update(sent_by(self.store, rival))

        ours = sent_by(self.store, batch)

        self.store.before_write = None  # nothing of ours was new, so nobody raced
        self.sent |= ours

    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        """What was sent before is sent again, and changes nothing."""
        if not self.sent:
            return
        batch = data.draw(st.lists(st.sampled_from(sorted(self.sent)), min_size=1, max_size=5))
        writes = self.store.count("write")

        answer = send(self.store, [self.sent[message_id] for message_id in batch])

        assert answer == {"accepted": 0, "duplicates": len(batch), "rejected": []}
        assert self.store.count("write") == writes

    @rule()
    def pass_by(self) -> None:
        """The schedule runs, and finds everything settled."""
        counts = review_due(
            ports=EventPorts(self.store),
            rules=RULES,
            keys=SIGNING_KEYS,
            now=NOW,
            correlation_id="run",
        )

        assert counts["due"] == 0

    @invariant()
    def adds_up(self) -> None:
        """Profiles say what the messages say, and nothing else."""
        assert stories(self.store) == expected_stories(self.sent.values())

    @invariant()
    def announced_once(self) -> None:
        """The announced segments lead, change by change, to the one that is stored."""
        known: dict[str, str | None] = {}
        for effect in self.store.all("effect").values():
            if effect.action == "Segment Changed":
                assert effect.payload["segment"] != effect.payload["previous"]
                known[effect.subject_key] = effect.payload["segment"]
        for subject, story in stories(self.store).items():
            if story.merged_into is None and story.segment is not None:
                assert known[subject.key] == story.segment


TestArrivals = Arrivals.TestCase
TestArrivals.settings = settings(max_examples=40, stateful_step_count=12)
