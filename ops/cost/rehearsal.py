"""The flows that are billed, played once on an AWS in memory with CDNOW's customers.

Files, checkouts, events, mails and what becomes of them, silence and sweeps go through the handlers
of ``app.py``, the queues and the stream of the merge template, and the shipped policy and model.
"""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

from boto3.session import Session

from chalicelib import wiring
from chalicelib.core.policy import Policy
from chalicelib.documents import Documents
from ops.cost.idle import IDLE_NIGHT
from ops.cost.indexes import template_indexes
from ops.cost.meter import Meter
from ops.cost.recorder import Recorder
from ops.cost.said_of_mails import events_of_mails
from ops.cost.shop_calls import authorizer_event, checkout_request, events_request, messages
from ops.key import create_key, key_store
from ops.local import in_process_aws
from ops.pump import Handlers, Pump, find_sources, streams_client
from ops.resources import create_resources
from ops.seed import Seed, SeedFile, build_seed
from ops.template import read_template

PREFIX = "segue-cost"
WARM_CALLS = 3
FIRST_FILE, FEW, MANY = "the first orders file", "orders file, few", "orders file, many"
BATCH = 10
SCHEDULED_EVENT: Mapping[str, Any] = {
    "version": "0", "id": "cost", "detail-type": "Scheduled Event", "source": "aws.events",
    "account": "0", "time": "2026-01-01T00:00:00Z", "region": "us-east-1", "resources": [],
    "detail": {},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """Every invocation, and how many customers and rows each file had.

    Attributes:
        recorder: what was recorded.
        customers: whom each of the two orders files is about, by scene.
        rows: how many rows each file had, by scene.
        file_bytes: how long each file was, by scene.
        mails: how many mails were sent.
    """

    recorder: Recorder
    customers: Mapping[str, int]
    rows: Mapping[str, int]
    file_bytes: Mapping[str, int]
    mails: int


def rehearse(*, customers: int) -> Rehearsed:
    """Play everything with so many customers of the sample, at least nine."""
    with _stage() as stage:
        seed = build_seed(today=datetime.now(UTC).date(), customers=customers)
        halves = _halves(seed)
        stage.drop("catalogue", seed.catalogue)
        stage.drop("customers file", seed.customers)
        for scene, file in halves.items():
            stage.drop(scene, file)
        stage.settle("after the files")
        stage.decide([each.customer_id for each in seed.contacts])
        stage.take_events([each.customer_id for each in seed.contacts])
        stage.hear_of_mails()
        stage.stay_silent([each.customer_id for each in seed.contacts[:BATCH]])
        stage.idle()
        files = {"customers file": seed.customers, "catalogue": seed.catalogue, **halves}
        return Rehearsed(
            stage.recorder,
            customers={scene: _people_in(file) for scene, file in halves.items()},
            rows={scene: file.records for scene, file in files.items()},
            file_bytes={scene: len(file.body) for scene, file in files.items()},
            mails=sum(each.counts.calls["email POST"] for each in stage.recorder.invocations),
        )


@contextmanager
def _stage() -> Iterator[_Stage]:
    """A stack on moto, the app wired to it, and a meter that listens; all undone afterwards."""
    told_before = dict(os.environ)
    app = import_module("app")
    meter = Meter(template_indexes(read_template(), prefix=PREFIX))
    try:
        with in_process_aws() as session:
            environment = create_resources(session, prefix=PREFIX)
            os.environ.update(environment)
            wiring.install(None)
            with meter.listening():
                yield _Stage(
                    session, environment, app, Recorder(meter), Documents().policy("default")
                )
    finally:
        os.environ.clear()
        os.environ.update(told_before)
        wiring.install(None)


class _Stage:
    """What the scenes are played on."""

    def __init__(
        self,
        session: Session,
        environment: Mapping[str, str],
        app: Any,
        recorder: Recorder,
        policy: Policy,
    ) -> None:
        self.recorder = recorder
        self._session, self._environment, self._app = session, environment, app
        self._policy = policy
        self._pump = Pump(
            self._handlers(),
            find_sources(session, environment, prefix=PREFIX),
            sqs=session.client("sqs"),
            streams=streams_client(session),
            clock=lambda: 0.0,  # the schedules run when their scene comes, and at no other time
        )
        store = key_store(
            session.client("dynamodb"), control_table=environment["SEGUE_CONTROL_TABLE"]
        )
        scopes = ("decide", "events", "read")
        self._key = create_key(store, scopes=scopes, now=int(time.time()))
        self._sessions = itertools.count()

    def drop(self, scene: str, file: SeedFile) -> None:
        """Put one file into the bucket and wait until it is taken in and everything is sent."""
        self._session.client("s3").put_object(
            Bucket=self._environment["SEGUE_DROPS_BUCKET"], Key=file.key, Body=file.body
        )
        self.settle(scene)

    def settle(self, scene: str) -> None:
        """Pump until nothing comes any more."""
        with self.recorder.playing(scene):
            quiet = 0
            while quiet < 2:
                quiet = 0 if self._pump.step() else quiet + 1

    def decide(self, customer_ids: Sequence[str]) -> None:
        """A checkout of everybody in a new session; the first few calls warm the process."""
        with self.recorder.playing("authorizer"):
            for _ in range(2):
                self.recorder.call("bearer", self._app.bearer, authorizer_event(self._key.text))
        with self.recorder.playing("warming up"):
            for customer_id in customer_ids[:WARM_CALLS]:
                self._checkout(customer_id)
        with self.recorder.playing("decisions"):
            for customer_id in customer_ids[WARM_CALLS:]:
                self._checkout(customer_id)
        self.settle("after decisions")

    def _checkout(self, customer_id: str) -> None:
        event = checkout_request(self._key, customer_id, session_id=f"s-{next(self._sessions)}")
        answer = self.recorder.call("api_handler", self._app.app, event)
        _expect(200, answer)

    def take_events(self, customer_ids: Sequence[str]) -> None:
        """Batches of ten: eight views, a checkout that began and an order, of ten customers."""
        with self.recorder.playing("warming up"):
            self._events(messages(customer_ids[:1], at=int(time.time()) - 60))
        with self.recorder.playing("events"):
            for nth, start in enumerate(range(0, len(customer_ids) - BATCH + 1, BATCH)):
                some = customer_ids[start : start + BATCH]
                self._events(messages(some, at=int(time.time()) - nth))
        self.settle("after events")

    def _events(self, batch: Sequence[Mapping[str, Any]]) -> None:
        answer = self.recorder.call(
            "api_handler", self._app.app, events_request(self._key, batch), records=len(batch)
        )
        _expect(202, answer)

    def hear_of_mails(self) -> None:
        """SES's "send", "delivery" and "open" of every mail, ten to an invocation."""
        topic = self._environment["SEGUE_MAIL_EVENTS_TOPIC"]
        told = events_of_mails(self._session, self._environment["SEGUE_EFFECTS_TABLE"], topic=topic)
        for kind, records in told.items():
            with self.recorder.playing(f"mail event: {kind}"):
                for start in range(0, len(records), BATCH):
                    some = records[start : start + BATCH]
                    self.recorder.call(
                        "on_mail_event",
                        self._app.on_mail_event,
                        {"Records": some},
                        records=len(some),
                    )

    def stay_silent(self, customer_ids: Sequence[str]) -> None:
        """Checkouts that are left alone until silence alone has something to say."""
        left_at = int(time.time()) + 2 - self._policy.cart_abandoned_after_seconds
        with self.recorder.playing("before silence"):
            self._events(messages(customer_ids, at=left_at, only="Checkout Started"))
        time.sleep(3)
        with self.recorder.playing("silence"):
            self.recorder.call(
                "on_review_due", self._app.on_review_due, SCHEDULED_EVENT, records=len(customer_ids)
            )
        self.settle("after silence")

    def idle(self) -> None:
        """The schedules when there is nothing to do; the first runs take what may be left."""
        for function in ("on_review_due", "on_sweep"):
            handler = getattr(self._app, function)
            for scene in ("what was left", "idle", "idle"):
                with self.recorder.playing(scene):
                    self.recorder.call(function, handler, SCHEDULED_EVENT)
            self.settle("what was left")
        night = {"messageId": "night", "body": json.dumps(dict(SCHEDULED_EVENT))}
        with self.recorder.playing(IDLE_NIGHT):
            self.recorder.call("on_drop", self._app.on_drop, {"Records": [night]})

    def _handlers(self) -> Handlers:
        def recorded(function: str) -> Any:
            handler = getattr(self._app, function)

            def call(event: Mapping[str, Any], _: Any) -> Any:
                return self.recorder.call(function, handler, event, records=_records(event))

            return call

        def on_effect(event: Mapping[str, Any], _: Any) -> Any:
            """Mails and other effects apart, since they call for different things."""
            failed: list[Any] = []
            after = self.recorder.scene
            for kind, records in self._by_kind(event["Records"]).items():
                with self.recorder.playing(f"{after}: {kind}"):
                    answer = self.recorder.call(
                        "on_effect", self._app.on_effect, {"Records": records}, records=len(records)
                    )
                failed += answer["batchItemFailures"]
            return {"batchItemFailures": failed}

        return Handlers(
            on_drop=recorded("on_drop"),
            on_effects_planned=recorded("on_effects_planned"),
            on_decided=recorded("on_decided"),
            on_effect=on_effect,
            on_mail_event=recorded("on_mail_event"),
            on_review_due=recorded("on_review_due"),
            on_sweep=recorded("on_sweep"),
        )

    def _by_kind(self, records: Sequence[Any]) -> Mapping[str, list[Any]]:
        client = self._session.client("dynamodb")
        table = self._environment["SEGUE_EFFECTS_TABLE"]
        found: dict[str, list[Any]] = {}
        for record in records:
            effect_id = json.loads(record["body"])["effect_id"]
            item = client.get_item(
                TableName=table, Key={"pk": {"S": f"e#{effect_id}"}, "sk": {"S": "effect"}}
            )["Item"]
            found.setdefault(json.loads(item["body"]["S"])["kind"], []).append(record)
        return found


def _halves(seed: Seed) -> dict[str, SeedFile]:
    """Some customers' orders, which warm the process, a few and many; a row is the difference."""
    header, *rows = seed.orders.body.decode().splitlines()
    ids = [each.customer_id for each in seed.contacts]
    first, few = ids[: len(ids) // 9], ids[len(ids) // 9 : len(ids) // 3]
    split: dict[str, list[str]] = {FIRST_FILE: [], FEW: [], MANY: []}
    scenes = dict.fromkeys(ids, MANY) | dict.fromkeys(few, FEW) | dict.fromkeys(first, FIRST_FILE)
    for row in rows:
        split[scenes[row.partition(",")[0]]].append(row)
    return {
        scene: SeedFile(
            f"orders/cdnow/{nth}.csv", "\n".join([header, *lines, ""]).encode(), len(lines)
        )
        for nth, (scene, lines) in enumerate(split.items())
    }


def _people_in(file: SeedFile) -> int:
    return len({row.partition(",")[0] for row in file.body.decode().splitlines()[1:]})


def _records(event: Mapping[str, Any]) -> int:
    return len(event.get("Records", (event,)))


def _expect(status: int, answer: Mapping[str, Any]) -> None:
    if answer["statusCode"] != status:
        raise RuntimeError(f"a request was answered {answer['statusCode']}: {answer['body']}")
