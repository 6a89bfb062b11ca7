"""What AWS does between the functions, done in this process: queues, streams, the schedules.

The app's own handlers are called with the event shapes that Lambda gives them. A batch's failed
messages stay in their queue and come again when their visibility timeout is over; the others are
deleted. A handler that raises leaves all of its batch, and a stream's position, where it was.
Only the nightly rule is not kept: a process that long does not run.
"""

from __future__ import annotations

import base64
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from boto3.session import Session
from chalice.local import LambdaContext

from chalicelib.core.kinds import EFFECT, LIVE_OFFER, MESSAGE, RECORD, SIGNAL
from ops.resources import queue_url
from ops.schedule import scheduled_event

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

REVIEW_EVERY_SECONDS = 60
SCHEDULED = ("on_review_due", "on_sweep")
IDLE_SECONDS = 0.2
STREAM_BATCH = 100
TIMEOUT_SECONDS = 900
_ACCOUNT = "000000000000"
_log = logging.getLogger(__name__)

Handler = Callable[[Mapping[str, Any], LambdaContext], Any]


@dataclass(frozen=True, slots=True)
class Handlers:
    """The app's functions that something other than HTTP calls."""

    on_drop: Handler
    on_effects_planned: Handler
    on_decided: Handler
    on_effect: Handler
    on_mail_event: Handler
    on_review_due: Handler
    on_sweep: Handler


@dataclass(frozen=True, slots=True)
class Sources:
    """Where events come from.

    Attributes:
        drops_queue_url: notifications of the drops bucket.
        effects_queue_url: planned effects to act on.
        mail_events_queue_url: what became of mails.
        effects_stream_arn: the stream of the effects table.
        decisions_stream_arn: the stream of the decisions table.
        profiles_stream_arn: the stream of the profiles table.
    """

    drops_queue_url: str
    effects_queue_url: str
    mail_events_queue_url: str
    effects_stream_arn: str
    decisions_stream_arn: str
    profiles_stream_arn: str


@dataclass(slots=True)
class _Reader:
    """A function that reads a stream: where it is, and which records its filter lets through.

    Attributes:
        name: of the function.
        new: kinds of which it reads what is new.
        iterator: where it is.
        changed: kinds of which it reads what has changed; of effects, mails that were accepted.
    """

    name: str
    new: frozenset[str]
    iterator: str
    changed: frozenset[str] = frozenset()


def find_sources(
    session: Session, environment: Mapping[str, str], *, prefix: str = "segue-local"
) -> Sources:
    """The queues and the streams of what ``ops.resources`` has made under this prefix."""
    tables = session.client("dynamodb")

    def stream_of(table: str) -> str:
        return tables.describe_table(TableName=environment[table])["Table"]["LatestStreamArn"]

    return Sources(
        drops_queue_url=queue_url(session, "DropsQueue", prefix=prefix),
        effects_queue_url=environment["SEGUE_EFFECTS_QUEUE_URL"],
        mail_events_queue_url=queue_url(session, "MailEventsQueue", prefix=prefix),
        effects_stream_arn=stream_of("SEGUE_EFFECTS_TABLE"),
        decisions_stream_arn=stream_of("SEGUE_DECISIONS_TABLE"),
        profiles_stream_arn=stream_of("SEGUE_PROFILES_TABLE"),
    )


def streams_client(session: Session) -> Any:
    """A client for the streams of moto's tables.

    Left to itself botocore asks an address with the account in it, which moto does not know.
    """
    url = f"https://streams.dynamodb.{session.region_name}.amazonaws.com"
    return session.client("dynamodbstreams", endpoint_url=url)


class Pump:
    """Delivers events to the handlers, one batch at a time."""

    def __init__(
        self,
        handlers: Handlers,
        sources: Sources,
        *,
        sqs: SQSClient,
        streams: Any,  # no stubs are installed for the streams API
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Begin at the streams' oldest records; schedules first run one period from now."""
        self._handlers = handlers
        self._sources = sources
        self._sqs = sqs
        self._streams = streams
        self._clock = clock
        self._scheduled_at = clock() + REVIEW_EVERY_SECONDS
        effects, decisions = sources.effects_stream_arn, sources.decisions_stream_arn
        planned = frozenset({EFFECT.name, SIGNAL.name})
        self._relay = _Reader("on_effects_planned", planned, self._oldest(effects))
        self._chronicle = (
            _Reader("on_decided", frozenset({RECORD.name}), self._oldest(decisions)),
            _Reader(
                "on_decided",
                frozenset({EFFECT.name}),
                self._oldest(effects),
                changed=frozenset({EFFECT.name, LIVE_OFFER.name}),
            ),
            _Reader(
                "on_decided",
                frozenset({MESSAGE.name}),
                self._oldest(sources.profiles_stream_arn),
            ),
        )

    def step(self) -> int:
        """Take one batch from each source; returns how many events were delivered."""
        return (
            self._queue("on_drop", self._sources.drops_queue_url, most=1)
            + self._stream(self._relay)
            + self._queue("on_effect", self._sources.effects_queue_url, most=10)
            + self._queue("on_mail_event", self._sources.mail_events_queue_url, most=10)
            + self._schedules()
            + sum(map(self._stream, self._chronicle))
        )

    def _queue(self, name: str, queue_url: str, *, most: int) -> int:
        received = self._sqs.receive_message(
            QueueUrl=queue_url, MaxNumberOfMessages=most, MessageSystemAttributeNames=["All"]
        )
        messages: Sequence[Any] = received.get("Messages", [])
        if not messages:
            return 0
        event = {"Records": [_sqs_record(message, queue_url) for message in messages]}
        try:
            answer = self._call(name, event)
        except Exception:
            # The one place that stands for Lambda itself: any failure leaves the batch queued.
            _log.exception("%s failed; its messages come again", name)
            return len(messages)
        failed = {item["itemIdentifier"] for item in (answer or {}).get("batchItemFailures", [])}
        for message in messages:
            if message["MessageId"] not in failed:
                self._sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
        return len(messages)

    def _stream(self, reader: _Reader) -> int:
        page = self._streams.get_records(ShardIterator=reader.iterator, Limit=STREAM_BATCH)
        records = [_stream_record(each) for each in page["Records"]]
        read = [each for each in records if _is_read(each, reader)]
        if read:
            try:
                self._call(reader.name, {"Records": read})
            except Exception:
                _log.exception("%s failed; the batch comes again", reader.name)
                return 0
        if records:
            reader.iterator = page["NextShardIterator"]
        return len(read)

    def _schedules(self) -> int:
        now = self._clock()
        if now < self._scheduled_at:
            return 0
        self._scheduled_at = now + REVIEW_EVERY_SECONDS
        for name in SCHEDULED:
            try:
                self._call(name, scheduled_event(name, int(now)))
            except Exception:
                _log.exception("%s failed; what is due waits for the next run", name)
        return len(SCHEDULED)

    def _call(self, name: str, event: Mapping[str, Any]) -> Any:
        handler: Handler = getattr(self._handlers, name)
        return handler(event, LambdaContext(name, 512, TIMEOUT_SECONDS * 1000))

    def _oldest(self, arn: str) -> str:
        shard = self._streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]
        iterator: str = self._streams.get_shard_iterator(
            StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        return iterator


def _sqs_record(message: Mapping[str, Any], queue_url: str) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:us-east-1:{_ACCOUNT}:{queue_url.rpartition('/')[2]}",
        "awsRegion": "us-east-1",
    }


def _stream_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """As Lambda sees it: moments are numbers, and bytes are base64."""
    change = dict(record["dynamodb"])
    change["ApproximateCreationDateTime"] = change["ApproximateCreationDateTime"].timestamp()
    if "NewImage" in change:
        change["NewImage"] = {name: _as_json(value) for name, value in change["NewImage"].items()}
    return {**record, "dynamodb": change}


def _as_json(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """An attribute's value; nothing of ours nests bytes any deeper."""
    return {"B": base64.b64encode(value["B"]).decode()} if "B" in value else value


def _is_read(record: Mapping[str, Any], reader: _Reader) -> bool:
    """What the event source's filter lets through (``FilterCriteria`` in resources.json)."""
    change = record["dynamodb"]
    kind: str = change["Keys"]["sk"]["S"]
    if record["eventName"] == "INSERT":
        return kind in reader.new
    if record["eventName"] != "MODIFY" or kind not in reader.changed:
        return False
    listed: str = change["NewImage"].get("listed_under", {"S": ""})["S"]
    return kind != EFFECT.name or listed.startswith("ACCEPTED#")
