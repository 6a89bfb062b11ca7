"""SES's events in SNS's envelopes in SQS's messages, from the canned ones in ``tests/events``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from chalicelib.core.instants import format_instant
from chalicelib.core.ports import AgainPorts
from chalicelib.flows.feedback import FeedbackPorts, from_messages
from tests.fakes import SIGNING_KEYS
from tests.mail_makers import NOW, World

TOPIC = "arn:aws:sns:us-east-1:123456789012:mail-events"
_CANNED = Path(__file__).parent / "events"
Json = dict[str, Any]


@cache
def _canned(file: str) -> str:
    return (_CANNED / file).read_text()


def ses_event(
    name: str, *, effect_id: str | None = "e" * 32, sent_at: int = NOW, **detail: Any
) -> Json:
    """A canned event, for an effect; ``detail`` changes the part that its type brings along."""
    event: Json = json.loads(_canned(f"ses_{name}.json"))
    event["mail"]["timestamp"] = format_instant(sent_at)
    if effect_id is None:
        del event["mail"]["tags"]["effect_id"]
    else:
        event["mail"]["tags"]["effect_id"] = [effect_id]
    event[event["eventType"].lower()] |= detail
    return event


def notification(event: Mapping[str, Any] | str, **changes: Any) -> str:
    """SNS's envelope around an event, as the body of a queue message."""
    envelope: Json = json.loads(_canned("sns_notification.json"))
    message = event if isinstance(event, str) else json.dumps(event)
    return json.dumps({**envelope, "Message": message, **changes})


def queued(*bodies: str, deliveries: int = 1) -> Json:
    """Lambda's SQS event: message ids ``m-0`` and so on, each handed out so many times by now."""
    return delivered(*((body, deliveries) for body in bodies))


def delivered(*messages: tuple[str, int]) -> Json:
    """Lambda's SQS event of bodies, and how often each was handed out by now."""
    return {
        "Records": [
            {
                "messageId": f"m-{n}",
                "body": body,
                "attributes": {"ApproximateReceiveCount": str(deliveries)},
                "eventSource": "aws:sqs",
            }
            for n, (body, deliveries) in enumerate(messages)
        ]
    }


def ports_of(world: World, **changes: Any) -> FeedbackPorts:
    """What taking in mail events needs, in memory."""
    given: Json = {
        "store": world.store,
        "keys": SIGNING_KEYS,
        "topic": TOPIC,
        "again": AgainPorts(world.aside, world.parked),
        **changes,
    }
    return FeedbackPorts(**given)


def hear(world: World, *events: Mapping[str, Any], now: int = NOW + 3600, **ports: Any) -> None:
    """Let the world take in events, all of which are taken."""
    bodies = [notification(event) for event in events]
    assert take(world, *bodies, now=now, **ports) == []
    assert not world.aside.messages


def take(
    world: World, *bodies: str, now: int = NOW + 3600, deliveries: int = 1, **ports: Any
) -> list[str]:
    """Let the world take in messages; returns the ids of those that come back as they are."""
    event = queued(*bodies, deliveries=deliveries)
    answer = from_messages(event, ports=ports_of(world, **ports), now=now)
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
