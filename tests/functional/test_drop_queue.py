"""The queue of files: a night among notifications, each reported by its own message."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from chalicelib import telemetry
from chalicelib.core.errors import Broken, Transient
from chalicelib.core.policy import Policy
from chalicelib.flows.drop_queue import from_messages
from chalicelib.flows.night import NightPorts
from chalicelib.flows.rulebook import Rulebook
from chalicelib.flows.simulation import SimulationPorts
from tests.chronicles import BUCKET
from tests.fakes import MemoryObjects, MemoryQueue, MemoryStore
from tests.unit.core.situations import NOW, default_policy, shipped_rules

SCHEDULE = {"detail-type": "Scheduled Event", "source": "aws.events", "id": "n-1"}


def messages(*bodies: Any) -> dict[str, Any]:
    """An SQS event."""
    texts = [body if isinstance(body, str) else json.dumps(body) for body in bodies]
    return {"Records": [{"messageId": f"m-{n}", "body": text} for n, text in enumerate(texts)]}


class Desk:
    """Whoever takes files, and a night; both keep what they were given."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.files: list[str] = []
        self.broken: Exception | None = None

    def take_files(self, event: Mapping[str, Any], *, now: int) -> Any:
        """Fail every notification that says so."""
        assert now == NOW
        self.files += [each["body"] for each in event["Records"]]
        failed = [e["messageId"] for e in event["Records"] if "bad" in e["body"]]
        return {"batchItemFailures": [{"itemIdentifier": each} for each in failed]}

    def night(self) -> tuple[NightPorts, Policy]:
        """What a night needs, unless that is broken."""
        if self.broken is not None:
            raise self.broken
        return NightPorts(
            self.store, MemoryObjects(), BUCKET, lambda: None, bytes
        ), default_policy()

    def simulation(self) -> SimulationPorts:
        """What a simulation needs."""
        rulebook = Rulebook(shipped_rules(), lambda policy: replace(shipped_rules(), policy=policy))
        queue, objects = MemoryQueue(), MemoryObjects()
        return SimulationPorts(self.store, objects, BUCKET, queue, rulebook, lambda: 0.0)

    def take(self, *bodies: Any) -> list[str]:
        """Deliver messages; the ids of those that failed."""
        answer = from_messages(
            messages(*bodies),
            take_files=self.take_files,
            night=self.night,
            simulation=self.simulation,
            now=NOW,
        )
        return [each["itemIdentifier"] for each in answer["batchItemFailures"]]


@pytest.fixture
def desk() -> Desk:
    """Nothing taken, no night worked through."""
    telemetry.configure(stage="test", stream=io.StringIO())
    return Desk()


def test_files_go_where_they_always_went(desk: Desk) -> None:
    """Also what is no JSON, and no object: whoever takes files names what is wrong."""
    assert desk.take({"Records": []}, "no json", "[1]", {"bad": 1}) == ["m-3"]

    assert len(desk.files) == 4
    assert desk.store.calls == []


def test_a_night_is_worked_through_beside_files(desk: Desk) -> None:
    """And its message is no file."""
    assert desk.take(SCHEDULE, {"Records": []}) == []

    assert desk.files == [json.dumps({"Records": []})]
    assert len(desk.store.all("night")) == 1


def test_a_second_message_of_one_night_finds_nothing_to_do(desk: Desk) -> None:
    """EventBridge may send twice."""
    desk.take(SCHEDULE)
    before = desk.store.dump()

    assert desk.take(SCHEDULE) == []

    assert desk.store.dump() == before


@pytest.mark.parametrize("error", [Transient("slow"), Broken("settings")])
def test_a_night_that_fails_comes_again_and_holds_up_no_file(desk: Desk, error: Exception) -> None:
    """Its message alone is reported; five times, then it lies with the dead letters of files."""
    desk.broken = error

    assert desk.take(SCHEDULE, {"Records": []}) == ["m-0"]

    assert len(desk.files) == 1


def test_another_error_loses_its_words(desk: Desk) -> None:
    """What Lambda would log may quote anything."""
    desk.broken = KeyError("c-1")

    with pytest.raises(Broken, match=r"^unexpected KeyError$"):
        desk.take(SCHEDULE)


def test_a_simulation_of_which_nobody_knows_is_done_with_and_is_no_file(desk: Desk) -> None:
    """A message of a run before leads nowhere; a file beside it is taken."""
    told = {"simulate": {"policy": "sha256:x", "run_id": "r-1"}}

    assert desk.take(told, {"Records": []}) == []

    assert desk.files == [json.dumps({"Records": []})]
    assert desk.store.count("write") == 0


def test_a_simulation_that_storage_does_not_answer_comes_again(desk: Desk) -> None:
    """And says so by its own message."""
    desk.store.fail_reads(Transient("throttled"))

    assert desk.take({"simulate": {"policy": "sha256:x", "run_id": "r-1"}}, SCHEDULE) == ["m-0"]
