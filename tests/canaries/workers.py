"""What the functions are given that no request calls: files, messages, stream records, moments."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from chalicelib.aws.bus import EventBridgeBus
from chalicelib.aws.mailer import SesMailer
from chalicelib.aws.queues import SqsQueue
from chalicelib.core.kinds import CONTACT, EFFECT
from chalicelib.core.ports import AgainPorts
from chalicelib.documents import Documents
from chalicelib.flows.act import ActPorts, from_messages
from chalicelib.flows.chronicle import ChroniclePorts
from chalicelib.flows.chronicle import from_stream as chronicle_from_stream
from chalicelib.flows.drop import from_messages as drops_from_messages
from chalicelib.flows.drop_work import DropPorts
from chalicelib.flows.feedback import FeedbackPorts
from chalicelib.flows.feedback import from_messages as take_in_mail_events
from chalicelib.flows.reapply import reapply_tombstones
from chalicelib.flows.relay import from_stream
from chalicelib.flows.settled import EventPorts
from chalicelib.flows.silence import review_due
from chalicelib.flows.sweep import SweepPorts
from chalicelib.flows.sweep import sweep as run_sweep
from tests.canaries.words import CANARY, DOMAIN, NAME, Quoting, error, mail_error, spoil
from tests.canaries.zoo import Zoo
from tests.chronicles import FIRST, effects_event, logged, records_event
from tests.drops import DROPS, RESULTS, DataTeam, notification
from tests.fakes import SIGNING_KEYS, MemoryObjects
from tests.mail_events import TOPIC, queued, ses_event
from tests.mail_events import notification as sns_notification
from tests.mail_makers import SETTINGS, contact_of, mail_effect, sqs_event
from tests.stores import no_sleep
from tests.unit.core.situations import NOW


def act(zoo: Zoo) -> None:
    """Mails to canaries, through what may quote them; and messages nobody can read."""
    effect_id = f"{zoo.chance.randrange(10**9):032x}"
    contact = contact_of(
        first_name=NAME,
        email=zoo.chance.choice([f"{CANARY}@{DOMAIN}", f"{CANARY}@exa mple", None]),
        time_zone=zoo.chance.choice(["America/New_York", CANARY]),
    )
    effect = mail_effect(effect_id, sku=f"{CANARY}-sku", title=CANARY)
    if zoo.chance.random() < 0.2:
        payload = spoil(dict(effect.payload), zoo.chance, 0.3)
        effect = mail_effect(effect_id, **payload)
    zoo.knows(CONTACT.key(contact.subject.key), contact)
    zoo.knows(EFFECT.key(effect_id), effect)
    zoo.break_something()
    if zoo.chance.random() < 0.5:
        zoo.shop.mailer.fail_next(mail_error(zoo.chance))
    if zoo.chance.random() < 0.2:
        zoo.shop.bus.fail_next(error(zoo.chance))
    mailer: Any = zoo.shop.mailer
    bus: Any = zoo.shop.bus
    queue: Any = zoo.shop.queue
    if zoo.chance.random() < 0.4:
        client: Any = Quoting(zoo.chance)
        mailer = SesMailer(lambda: client, configuration_set="c")
        bus = EventBridgeBus(lambda: client, name="b", sleep=no_sleep)
        queue = SqsQueue(lambda: client, url="u", sleep=no_sleep)
    ports = ActPorts(zoo.shop.store, bus, mailer, queue, SIGNING_KEYS, SETTINGS)
    ids = [effect_id, *(each.effect_id for each in zoo.memory.all("effect").values())][:9]
    event = sqs_event(*ids, bodies={"m-x": f'{{"effect_id": "{CANARY}"}}', "m-y": CANARY})
    from_messages(event, ports=ports, now=NOW, worker="w")


def relay(zoo: Zoo) -> None:
    """Stream records of effects and signals that name canaries, and unreadable ones."""
    body = {
        "effect_id": "e",
        "correlation_id": "c",
        "planned_at": NOW,
        "state": "PLANNED",
        "subject": f"c#{CANARY}",
        "payload": {"sku": CANARY},
    }
    said = {"half_life_seconds": 60, "demand": {CANARY: [1.0, 0.0, NOW]}, "statements": []}
    kind, readable = zoo.chance.choice([("effect", body), ("signal", said)])
    text = zoo.chance.choice([json.dumps(readable), CANARY, json.dumps({CANARY: 1})])
    record = {
        "eventName": "INSERT",
        "dynamodb": {
            "Keys": {"pk": {"S": f"e#{CANARY}"}, "sk": {"S": kind}},
            "NewImage": {"body": {"S": text}},
            "SequenceNumber": "1",
        },
    }
    zoo.break_something()
    from_stream({"Records": [record]}, queue=zoo.shop.queue, store=zoo.shop.store, now=NOW)


def chronicle(zoo: Zoo) -> None:
    """Records and effects of canaries, and what nobody can read, into the decision log."""
    objects = MemoryObjects()
    event = records_event(zoo.memory.all("record").values())
    effects = effects_event(zoo.memory.all("effect").values(), first=FIRST + 10_000)
    for record in event["Records"]:
        if zoo.chance.random() < 0.1:
            record["dynamodb"]["NewImage"]["body"] = {"B": CANARY}
    zoo.break_something()
    ports = ChroniclePorts(
        zoo.shop.store, objects, RESULTS, SIGNING_KEYS.address_secret, currency="USD"
    )
    try:
        chronicle_from_stream(zoo.chance.choice([event, effects]), ports=ports, now=NOW)
    finally:
        text = json.dumps([objects.keys(RESULTS), logged(objects)])
        assert CANARY not in text.casefold()


def feedback(zoo: Zoo) -> None:
    """SES's events about addresses that are canaries, of mails known and unknown."""
    effect_id = f"{zoo.chance.randrange(10**9):032x}"
    sent = replace(mail_effect(effect_id), state="ACCEPTED", posts=1)
    zoo.knows(EFFECT.key(effect_id), sent)
    event = ses_event(
        zoo.chance.choice(["bounce", "complaint", "delivery", "open", "click", "reject"]),
        effect_id=zoo.chance.choice([effect_id, CANARY, None]),
        sent_at=NOW - 60,
    )
    said = json.dumps(_of_a_person(event)).replace("ada@example.com", f"{CANARY}@{DOMAIN}")
    topic = zoo.chance.choice([{}, {"TopicArn": f"{TOPIC}-{CANARY}"}, {"Type": CANARY}])
    body = zoo.chance.choice([sns_notification(said, **topic), sns_notification(said), CANARY])
    zoo.break_something()
    again = AgainPorts(zoo.shop.queue, zoo.shop.queue)
    ports = FeedbackPorts(zoo.shop.store, SIGNING_KEYS, TOPIC, again)
    take_in_mail_events(queued(body), ports=ports, now=NOW)


def _of_a_person(event: dict[str, Any]) -> dict[str, Any]:
    """The event with canaries where SES quotes a person, their mail program or their provider."""
    kind = event["eventType"].lower()
    detail = event[kind]
    for name in ("userAgent", "ipAddress", "link", "smtpResponse", "reportingMTA", "feedbackId"):
        if name in detail:
            detail[name] = f"https://{CANARY}.example/{CANARY}"
    for recipient in detail.get("bouncedRecipients", []):
        recipient["diagnosticCode"] = f"smtp; 550 no {CANARY}"
    event["mail"]["commonHeaders"] = {"subject": f"Dear {NAME}", "to": [f"{CANARY}@{DOMAIN}"]}
    event["mail"]["headers"] = [{"name": "Subject", "value": f"Dear {NAME}, {CANARY}"}]
    return event


def drop(zoo: Zoo) -> None:
    """Files with canaries in every column, in headers, in names, and in bytes that are no text."""
    team = DataTeam(store=zoo.shop.store)
    name = zoo.name()
    key, text = zoo.chance.choice(
        [
            (
                "customers/a.csv",
                f"customer_id,email,first_name,country,consent_marketing_email,{CANARY}_score\n"
                f"{name},{name}@{DOMAIN},{NAME},US,true,1\n"
                f"{name}-b,no mail {CANARY},,{CANARY},{CANARY},x\n",
            ),
            (
                "orders/a.csv",
                "order_id,customer_id,ordered_at,quantity,currency,amount\n"
                f"{name}-o,{name},{CANARY},1,USD,30\n{name}-p,{name},2026-01-01,1,USD,{CANARY}\n"
                f"{name}-q,{name},2026-01-01,1,USD,30\n{name}-q,other,2026-01-01,1,{CANARY},30\n",
            ),
            (f"customers/{name}.csv", f"customer_id,email\n{name},{name}@{DOMAIN}\n"),
            (f"orders/{CANARY}/a.csv", f"{CANARY}\n{CANARY}\n"),
            (f"{CANARY}/a.csv", f"{CANARY}\n"),
            (f"customers/{CANARY}.exe", f"{CANARY}\n"),
            ("orders/a.jsonl", f'{{"order_id": "{CANARY}", "{CANARY}": "{CANARY}"\n{CANARY}'),
            ("customers/a.csv", f"{CANARY},{CANARY}\n{CANARY}\n"),
            ("customers/a.csv.gz", CANARY),
            ("customers/a.parquet", CANARY),
            ("catalog/a.csv", f"sku,base_price,{CANARY}\n{CANARY},{CANARY},1\n"),
            ("customers/a.csv", f'customer_id,email\n"{CANARY},\x00{CANARY}\xff\n'),
        ]
    )
    arrived = team.put(key, text.encode("latin-1"))
    if zoo.chance.random() < 0.3:
        team.objects.fail_next(*[None] * zoo.chance.randrange(3), error(zoo.chance))
    said = [json.dumps({"Records": [notification(arrived)]})] * 4
    body = zoo.chance.choice([*said, CANARY, json.dumps({"Records": [{CANARY: CANARY}]})])
    ports = DropPorts(team.store, team.objects, RESULTS, Documents().mapping, team.limits)
    event = {"Records": [{"messageId": "m-1", "body": body}]}
    zoo.break_something()
    drops_from_messages(event, ports=ports, rules=team.rules, keys=SIGNING_KEYS, now=NOW)
    assert arrived.bucket == DROPS


def silence(zoo: Zoo) -> None:
    """The schedule, months later."""
    zoo.break_something()
    review_due(
        ports=EventPorts(zoo.shop.store),
        rules=zoo.shop.rules,
        keys=SIGNING_KEYS,
        now=NOW + zoo.chance.randrange(10**7),
        correlation_id="run",
    )


def sweep(zoo: Zoo) -> None:
    """The sweep, later, over effects and codes of canaries."""
    zoo.break_something()
    run_sweep(
        ports=SweepPorts(zoo.shop.store, zoo.shop.queue),
        now=NOW + zoo.chance.randrange(10**6),
        correlation_id="run",
    )


def reapply(zoo: Zoo) -> None:
    """An operator applies tombstones again: what it prints is names of kinds and counts."""
    zoo.memory.mend()
    counts = reapply_tombstones(
        zoo.memory.keys(),
        store=zoo.memory,
        keys=SIGNING_KEYS,
        new_key=lambda: "0b" * 16,
        now=NOW,
    )
    assert CANARY not in json.dumps(dict(counts))


WORKERS = (
    act, act, relay, chronicle, feedback, feedback, drop, drop, silence, sweep, reapply,
)  # fmt: skip
