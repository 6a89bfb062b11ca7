"""In-memory twins of everything in ``chalicelib.aws``: hand-written, and scripted to fail.

``MemoryStore`` passes the contract suite of the real store (``tests/contract/test_store.py``),
so a flow that is tested on it behaves the same on DynamoDB. Every twin keeps what it was given
for the test to look at, and ``fail_next`` makes its next calls raise.
"""

from __future__ import annotations

import builtins
import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from chalicelib.aws.deadline import Deadline
from chalicelib.aws.objects import ListedObject, ObjectInfo
from chalicelib.core.canonical import canonical_json, sha256_hex
from chalicelib.core.errors import MailRefused, NotFound, Replaced
from chalicelib.core.ports import BusEvent
from chalicelib.core.tokens import SigningKeys
from tests.memory_store import MemoryStore, Script

__all__ = [
    "SIGNING_KEYS",
    "FixedClock",
    "MemoryBus",
    "MemoryMailer",
    "MemoryObjects",
    "MemoryQueue",
    "MemorySigningKeys",
    "MemoryStore",
    "MemoryWriter",
    "SentMail",
]

SIGNING_KEYS = SigningKeys(
    current="k1",
    keys={"k1": b"k" * 32},
    address_secret=b"a" * 32,
    coupon_secret=b"c" * 32,
)


@dataclass(slots=True)
class FixedClock:
    """A clock that stands still until the test moves it; whole seconds."""

    now: int

    def __call__(self) -> int:
        """The moment it shows."""
        return self.now

    def forward(self, seconds: int) -> int:
        """Let time pass and return the new moment."""
        self.now += seconds
        return self.now


class MemoryQueue:
    """A queue that keeps its messages, as the consumer would decode them."""

    def __init__(self) -> None:
        """Start empty."""
        self.messages: deque[dict[str, Any]] = deque()
        self.delays: list[int | None] = []
        self._script = Script()

    def fail_next(self, *errors: Exception | None) -> None:
        """Make the next sends raise, in order; None lets one through."""
        self._script.extend(errors)

    def send(
        self, bodies: Sequence[Mapping[str, Any]], *, delay_seconds: int | None = None
    ) -> None:
        """As ``SqsQueue.send``; ``delays`` keeps what each call asked for."""
        self._script.play()
        self.delays.append(delay_seconds)
        self.messages.extend(json.loads(canonical_json(body)) for body in bodies)

    def drain(self) -> list[dict[str, Any]]:
        """Take every message out, oldest first."""
        taken = list(self.messages)
        self.messages.clear()
        return taken


class MemoryBus:
    """A bus that keeps its events."""

    def __init__(self) -> None:
        """Start empty."""
        self.events: list[BusEvent] = []
        self._script = Script()

    def fail_next(self, *errors: Exception | None) -> None:
        """Make the next publications raise, in order; None lets one through."""
        self._script.extend(errors)

    def publish(self, events: Sequence[BusEvent]) -> None:
        """As ``EventBridgeBus.publish``."""
        self._script.play()
        for event in events:
            canonical_json(event.data)
        self.events.extend(events)

    def named(self, detail_type: str) -> list[BusEvent]:
        """The events of one type, oldest first."""
        return [event for event in self.events if event.detail_type == detail_type]


@dataclass(frozen=True, slots=True)
class SentMail:
    """One mail as the provider took it."""

    raw: bytes
    sender: str
    recipient: str
    tags: Mapping[str, str]
    message_id: str


@dataclass(slots=True)
class MemoryMailer:
    """A mailer that keeps every mail.

    Attributes:
        sent: what was taken, MIME source included.
        refused: addresses that the provider refuses for good.
    """

    sent: list[SentMail] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    _script: Script = field(default_factory=Script)
    _lost_replies: Script = field(default_factory=Script)

    def fail_next(self, *errors: Exception | None) -> None:
        """Make the next sends raise without sending; None lets one through."""
        self._script.extend(errors)

    def lose_replies(self, *errors: Exception | None) -> None:
        """Make the next mails be taken and the call raise nevertheless."""
        self._lost_replies.extend(errors)

    def send(self, raw: bytes, *, sender: str, recipient: str, tags: Mapping[str, str]) -> str:
        """As ``SesMailer.send``."""
        self._script.play()
        if recipient in self.refused:
            raise MailRefused("message_rejected")
        message_id = f"memory-{len(self.sent) + 1}"
        self.sent.append(SentMail(raw, sender, recipient, dict(tags), message_id))
        self._lost_replies.play()
        return message_id

    def to(self, recipient: str) -> list[SentMail]:
        """The mails to one address, oldest first."""
        return [mail for mail in self.sent if mail.recipient == recipient]


class _Object(NamedTuple):
    body: bytes
    info: ObjectInfo
    content_type: str


class MemoryObjects:
    """Buckets in a dictionary; the latest version of each object, and its bytes."""

    def __init__(self) -> None:
        """Start empty."""
        self._objects: dict[tuple[str, str], _Object] = {}
        self._script = Script()

    def fail_next(self, *errors: Exception | None) -> None:
        """Make the next calls raise, in order; None lets one through."""
        self._script.extend(errors)

    def head(self, bucket: str, *, key: str, version_id: str | None = None) -> ObjectInfo:
        """As ``S3Objects.head``."""
        self._script.play()
        return self._find(bucket, key, version_id).info

    def download_to(
        self,
        path: Path,
        *,
        bucket: str,
        key: str,
        version_id: str | None = None,
        etag: str | None = None,
    ) -> None:
        """As ``S3Objects.download_to``."""
        self._script.play()
        found = self._find(bucket, key, version_id)
        if etag not in (None, found.info.etag):
            raise Replaced.of("GetObject", "found another object (PreconditionFailed)")
        path.write_bytes(found.body)

    def download_range(
        self,
        path: Path,
        *,
        bucket: str,
        key: str,
        start: int,
        end: int,
        version_id: str | None = None,
        etag: str | None = None,
    ) -> None:
        """As ``S3Objects.download_range``."""
        self._script.play()
        path.write_bytes(self._find(bucket, key, version_id, etag).body[start : max(start, end)])

    def stream(
        self,
        bucket: str,
        *,
        key: str,
        start: int = 0,
        end: int | None = None,
        version_id: str | None = None,
        etag: str | None = None,
    ) -> Iterator[bytes]:
        """As ``S3Objects.stream``, in chunks of a kilobyte."""
        self._script.play()
        body = self._find(bucket, key, version_id, etag).body[start:end]
        yield from (body[at : at + 1024] for at in range(0, len(body), 1024))

    def get(self, bucket: str, *, key: str) -> bytes:
        """As ``S3Objects.get``."""
        self._script.play()
        return self._find(bucket, key, None).body

    def delete(self, bucket: str, *, key: str) -> None:
        """As ``S3Objects.delete``."""
        self._script.play()
        self._objects.pop((bucket, key), None)

    def list(self, bucket: str, *, prefix: str) -> Iterator[ListedObject]:
        """As ``S3Objects.list``."""
        self._script.play()
        for (held_in, key), held in sorted(self._objects.items()):
            if held_in == bucket and key.startswith(prefix):
                yield ListedObject(key, held.info.size, held.info.etag)

    def writer(self, bucket: str, *, key: str, content_type: str) -> MemoryWriter:
        """As ``S3Objects.writer``."""
        return MemoryWriter(self, bucket, key, content_type)

    def put(self, bucket: str, *, key: str, body: bytes, content_type: str) -> None:
        """As ``S3Objects.put``."""
        self._script.play()
        self.arrive(bucket, key=key, body=body, content_type=content_type)

    def upload(self, path: Path, *, bucket: str, key: str, content_type: str) -> None:
        """As ``S3Objects.upload``."""
        self.put(bucket, key=key, body=path.read_bytes(), content_type=content_type)

    def arrive(
        self,
        bucket: str,
        *,
        key: str,
        body: bytes,
        metadata: Mapping[str, str] | None = None,
        last_modified: int = 0,
        content_type: str = "application/octet-stream",
    ) -> ObjectInfo:
        """Let somebody outside put an object there; each version id is new."""
        before = self._objects.get((bucket, key))
        version = 1 if before is None else int(before.info.version_id or 0) + 1
        info = ObjectInfo(
            etag=sha256_hex(body)[:32],
            version_id=str(version),
            size=len(body),
            metadata=dict(metadata or {}),
            last_modified=last_modified,
        )
        self._objects[bucket, key] = _Object(body, info, content_type)
        return info

    def expire(self, bucket: str, key: str) -> None:
        """Let an object go, as a lifecycle rule does."""
        del self._objects[bucket, key]

    def body(self, bucket: str, key: str) -> bytes:
        """What stands under a key; raises KeyError when nothing does."""
        return self._objects[bucket, key].body

    def keys(self, bucket: str) -> builtins.list[str]:
        """Every key of a bucket, sorted."""
        return sorted(key for held_in, key in self._objects if held_in == bucket)

    def _find(
        self, bucket: str, key: str, version_id: str | None, etag: str | None = None
    ) -> _Object:
        found = self._objects.get((bucket, key))
        if found is None or version_id not in (None, found.info.version_id):
            raise NotFound.of("GetObject", "found nothing (NoSuchKey)")
        if etag not in (None, found.info.etag):
            raise Replaced.of("GetObject", "found another object (PreconditionFailed)")
        return found


class MemoryWriter:
    """As ``ObjectWriter``: the object is there once it is closed, or not at all."""

    def __init__(self, objects: MemoryObjects, bucket: str, key: str, content_type: str) -> None:
        """Take where the bytes go in the end."""
        self._objects, self._bucket, self._key = objects, bucket, key
        self._content_type = content_type
        self._held = bytearray()

    def write(self, data: bytes) -> None:
        """As ``ObjectWriter.write``."""
        self._held += data

    def close(self) -> None:
        """As ``ObjectWriter.close``."""
        self._objects.put(
            self._bucket, key=self._key, body=bytes(self._held), content_type=self._content_type
        )

    def abort(self) -> None:
        """As ``ObjectWriter.abort``."""
        self._held.clear()

    def __enter__(self) -> MemoryWriter:
        """Write within the block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close, or abort when the block failed."""
        del error, trace
        if kind is None:
            self.close()
        else:
            self.abort()


@dataclass(slots=True)
class MemorySigningKeys:
    """Signing keys at hand, or an error instead of them."""

    keys: SigningKeys = SIGNING_KEYS
    error: Exception | None = None

    def read(self, *, now: int, deadline: Deadline | None = None) -> SigningKeys:
        """As ``SigningKeysParameter.read``."""
        del now, deadline
        if self.error is not None:
            raise self.error
        return self.keys
