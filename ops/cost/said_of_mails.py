"""What SES would say of the mails that moto was handed, as messages of the mail events queue."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from email import message_from_string
from typing import Any

from boto3.session import Session
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.ses.models import ses_backends

from chalicelib.aws.items import stored_of
from chalicelib.core.effects import Effect
from chalicelib.core.kinds import EFFECT
from ops.cost.meter import REGION
from ops.ses.events import Event, event_of, send_event
from ops.ses.mails import Mail
from ops.ses.publishing import SUBJECT


def events_of_mails(session: Session, table: str, *, topic: str) -> Mapping[str, list[Any]]:
    """SQS records of "send", "delivery" and "open", each of every mail; by kind, in that order."""
    effects = _accepted(session, table)
    told: dict[str, list[Any]] = {"send": [], "delivery": [], "open": []}
    for sent in ses_backends[DEFAULT_ACCOUNT_ID][REGION].sent_messages:
        effect = effects.get(sent.id)
        if effect is None:
            continue
        mail = _mail(sent, effect)
        for kind, records in told.items():
            event = _event(kind, mail)
            records.append(_record(f"{kind}-{len(records)}", event, topic=topic))
    return told


def _accepted(session: Session, table: str) -> Mapping[str, Effect]:
    pages = session.client("dynamodb").get_paginator("scan").paginate(TableName=table)
    items = [item for page in pages for item in page["Items"] if item["sk"]["S"] == EFFECT.name]
    keys = [EFFECT.key(item["pk"]["S"].removeprefix(EFFECT.prefix)) for item in items]
    effects = [stored_of(key, item).value for key, item in zip(keys, items, strict=True)]
    return {each.provider_id: each for each in effects if each.provider_id is not None}


def _mail(sent: Any, effect: Effect) -> Mail:
    return Mail(
        message_id=sent.id,
        accepted_at=time.time() - 60,
        source=str(message_from_string(sent.raw_data)["From"]),
        destination=tuple(sent.destinations),
        raw=sent.raw_data.encode(),
        tags={"action": effect.action, "effect_id": effect.effect_id},
        configuration_set="segue-mails",
        identity="shop@example.com",
    )


def _event(kind: str, mail: Mail) -> Event:
    if kind == "send":
        return send_event(mail, region=REGION)
    fate: Any = kind
    event = event_of(fate, mail, mail.destination[0], at=time.time(), region=REGION)
    if event is None:
        raise ValueError(f"nothing is published of {kind}")
    return event


def _record(message_id: str, event: Event, *, topic: str) -> dict[str, Any]:
    envelope = {
        "Type": "Notification",
        "MessageId": message_id,
        "TopicArn": topic,
        "Subject": SUBJECT,
        "Message": json.dumps(event),
        "Timestamp": "2026-01-01T00:00:00.000Z",
        "SignatureVersion": "1",
        "Signature": "none",
    }
    return {
        "messageId": message_id,
        "body": json.dumps(envelope),
        "attributes": {"ApproximateReceiveCount": "1"},
        "eventSource": "aws:sqs",
    }
