"""One world in memory: storage, queues that deliver again, a bus, buckets, and an SES that counts.

Messages wait in queues until a worker takes them; what a worker does not finish comes again when
it has been hidden long enough. Every call that a worker makes passes the numbered gate. Only what
really happened, below the gate, is shown to the model.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chalicelib.aws.objects import ObjectInfo
from chalicelib.core.contact_policy import ContactPolicy
from chalicelib.core.errors import SegueError, Transient
from chalicelib.core.kinds import EFFECT, SIGNAL
from chalicelib.core.rules import Rules
from chalicelib.core.storage import Put, Write
from chalicelib.flows.act import ActPorts
from tests.crash.gate import FaultGate
from tests.crash.model import Expected, Model
from tests.crash.ports import GatedBus, GatedMailer, GatedQueue, GatedStore
from tests.crash.watched import Ses, WatchedBus, WatchedStore
from tests.crash.workers import HANDLERS, Message, look_after
from tests.fakes import SIGNING_KEYS, FixedClock, MemoryObjects
from tests.gate import Died
from tests.mail_events import notification, ses_event
from tests.mail_makers import SETTINGS

VISIBILITY_SECONDS = 360
STALL_SECONDS = VISIBILITY_SECONDS + 1  # past every lease, and past the time a message is hidden
CLIENT_WAITS_SECONDS = 1
MOST_DELIVERIES = 40
AT_ONCE: Mapping[str, int] = {"stream": 100, "effects": 10, "feedback": 10, "drops": 1, "parts": 1,
                               "http": 1}  # fmt: skip
# When the world looks again once everything is quiet: past leases, resends, and doubts given up.
PAUSES = (VISIBILITY_SECONDS, 1_000, 90_000, 90_000)
WAITS = PAUSES[:2]  # within which every hold and every second post comes


class NeverQuiet(AssertionError):
    """A message came again and again and was never done with."""


Call = Callable[["World"], None]


@dataclass
class World:
    """Everything outside of the flows, and the workers that run them.

    Attributes:
        now: when it begins.
        rules: policy, law and model.
        expected: what the model is told.
        counted: the queues whose workers' calls are numbered.
        says: what SES publishes of each mail that it takes; nothing unless ``expected.hears``.
        policy: the cap and the quiet hours.
        meanwhile: what somebody else does, besides other workers, while a call stalls.
        above_bytes: where a dropped file is divided; None divides none.
        part_bytes: how long its parts are then; None is as long.
        most_bytes: the largest text that is read in one piece; None is what is packaged.
    """

    now: int
    rules: Rules
    expected: Expected = field(default_factory=Expected)
    counted: frozenset[str] = frozenset({"http", "stream", "effects"})
    says: Callable[[str], Sequence[str]] = lambda _effect_id: ("send",)
    policy: ContactPolicy = field(default_factory=ContactPolicy)
    meanwhile: Call | None = None
    above_bytes: int | None = None
    part_bytes: int | None = None
    most_bytes: int | None = None
    store: WatchedStore = field(default_factory=WatchedStore)
    ses: Ses = field(default_factory=Ses)
    bus: WatchedBus = field(default_factory=WatchedBus)
    objects: MemoryObjects = field(default_factory=MemoryObjects)
    gate: FaultGate = field(default_factory=FaultGate)

    def __post_init__(self) -> None:
        self.clock = FixedClock(self.now)
        self.model = Model(self.expected)
        self.waiting: list[Message] = []
        self.delivered: list[Message] = []
        self.notes: dict[str, Any] = {}
        self.workers = 0
        self._in_hand: list[list[Message]] = []
        self._connect()

    def fork(self, gate: FaultGate, store: WatchedStore | None = None) -> World:
        """The same world once more, from here on with another gate, and storage if need be."""
        twin = copy.copy(self)
        twin.gate = gate
        twin.clock = FixedClock(self.clock.now)
        twin.model = Model(self.expected)
        for name in ("permissions", "taken", "announced"):
            getattr(twin.model, name).update(getattr(self.model, name))
        twin.model.inherited = set(self.model.permissions)
        twin.store, twin.ses, twin.bus = store or WatchedStore(), Ses(), WatchedBus()
        twin.store._rows = dict(self.store._rows)
        twin.store.begin(gate)
        twin.ses.sent, twin.bus.events = list(self.ses.sent), list(self.bus.events)
        twin.objects = MemoryObjects()
        twin.objects._objects = dict(self.objects._objects)
        twin.waiting = [copy.copy(each) for each in self.waiting]
        twin.delivered, twin.notes, twin._in_hand = list(self.delivered), dict(self.notes), []
        twin._connect()
        return twin

    def _connect(self) -> None:
        self.store.watch, self.ses.watch = self._stored, self._took
        self.bus.watch = self.model.saw_events
        self.gate.others, self.gate.somebody = self.let_others_work, self.let_somebody_act

    # --- ports ----------------------------------------------------------------------------------

    @property
    def gated(self) -> GatedStore:
        """Storage as workers see it."""
        return GatedStore(self.gate, self.store)

    def queue(self, name: str = "effects") -> GatedQueue:
        """A queue as workers see it."""
        return GatedQueue(self.gate, _Queue(self, name))

    def act_ports(self) -> ActPorts:
        """What performing effects needs."""
        return ActPorts(
            self.gated,
            GatedBus(self.gate, self.bus),
            GatedMailer(self.gate, self.ses),
            self.queue(),
            SIGNING_KEYS,
            mail=SETTINGS,
            contact_policy=self.policy,
        )

    def put(self, message: Message) -> None:
        """Let a message wait for a worker."""
        self.waiting.append(message)

    def ask(self, *calls: Call, at: int = 0) -> None:
        """A caller who makes one call after the other, each until it is answered."""
        script: Message | None = None
        for call in reversed(calls):
            script = Message("http", call, at, script)
        if script is not None:
            self.put(script)

    # --- what happens below the gate ------------------------------------------------------------

    def _stored(self, before: Mapping[Any, Any], writes: Sequence[Write], now: int) -> None:
        self.model.saw_write(before, writes, now=self.clock.now)
        for write in writes:
            if isinstance(write, Put) and write.key.kind in (EFFECT, SIGNAL):
                if write.key not in before:
                    self.put(Message("stream", (write.key, write.value), self.clock.now))

    def _took(self, tags: Mapping[str, str]) -> None:
        self.model.saw_mail(tags)
        if not self.expected.hears:
            return
        for delay, name in enumerate(self.says(tags["effect_id"]), start=5):
            event = ses_event(name, effect_id=tags["effect_id"], sent_at=self.clock.now)
            self.put(Message("feedback", notification(event), self.clock.now + delay))

    # --- workers --------------------------------------------------------------------------------

    def run(self) -> None:
        """Work until all is quiet, look again after a while, deliver everything once more.

        What waits on purpose is brought back by the sweep: what a worker then does is numbered as
        well, so that a second post, or a mail that was held, may break as the first one did.
        """
        self.drain()
        for pause in WAITS:
            self.clock.forward(pause)
            with self.gate.unnumbered():
                look_after(self)
            self.drain()
        with self.gate.unnumbered():
            self.settle()
            for message in reversed(self.delivered[:]):
                self.put(Message(message.queue, message.body, self.clock.now))
            self.delivered.clear()
            self.settle()

    def settle(self) -> None:
        """Let time pass, and what stands still be put on its way again."""
        for pause in PAUSES:
            self.clock.forward(pause)
            look_after(self)
            self.drain()

    def drain(self) -> None:
        """Deliver whatever waits, however late it is due."""
        while self.waiting:
            soonest = min(message.at for message in self.waiting)
            self.clock.now = max(self.clock.now, soonest)
            self.deliver_visible()

    def deliver_visible(self) -> None:
        """Deliver what is visible by now, until nothing is."""
        while batch := self._take_batch():
            self.work_on(batch)

    def let_others_work(self) -> None:
        """Time passes beyond every lease; another worker gets what the first still works on."""
        self.clock.forward(STALL_SECONDS)
        self.let_somebody_act()
        for message in self._in_hand[-1] if self._in_hand else ():
            again = Message(message.queue, message.body, self.clock.now)
            again.deliveries = message.deliveries
            self.put(again)
        in_hand, self._in_hand = self._in_hand, []
        self.deliver_visible()
        self._in_hand = in_hand

    def let_somebody_act(self) -> None:
        """Whoever else the case is about acts, unless they are too late."""
        if self.meanwhile is not None:
            with contextlib.suppress(SegueError):
                self.meanwhile(self)

    def _take_batch(self) -> list[Message]:
        visible = [message for message in self.waiting if message.at <= self.clock.now]
        if not visible:
            return []
        queue = min(visible, key=lambda message: message.at).queue
        batch = [message for message in visible if message.queue == queue][: AT_ONCE[queue]]
        taken = {id(message) for message in batch}
        self.waiting = [message for message in self.waiting if id(message) not in taken]
        return batch

    def work_on(self, batch: list[Message]) -> None:
        """One worker's turn; what it does not finish comes again."""
        for message in batch:
            message.deliveries += 1
            if message.deliveries > MOST_DELIVERIES:
                raise NeverQuiet(f"a message of {message.queue} is never done with")
        self.workers += 1
        self._in_hand.append(batch)
        try:
            if batch[0].queue in self.counted:
                failed = HANDLERS[batch[0].queue](self, batch, f"w-{self.workers}")
            else:
                with self.gate.unnumbered():
                    failed = HANDLERS[batch[0].queue](self, batch, f"w-{self.workers}")
        except (Died, Transient):
            failed = set(range(len(batch)))
        finally:
            self._in_hand.pop()
        for number, message in enumerate(batch):
            if number in failed:
                hidden = CLIENT_WAITS_SECONDS if message.queue == "http" else VISIBILITY_SECONDS
                message.at = self.clock.now + hidden
                self.put(message)
            else:
                self.delivered.append(message)
                if message.then is not None:
                    then = message.then
                    self.put(Message("http", then.body, max(then.at, self.clock.now), then.then))


def notice_of(info: ObjectInfo, key: str) -> dict[str, Any]:
    """What S3 says of a file that has arrived."""
    object_ = {"key": key, "eTag": info.etag, "versionId": info.version_id}
    return {"Records": [{"s3": {"bucket": {"name": "incoming"}, "object": object_}}]}


class _Queue:
    """A queue itself."""

    def __init__(self, world: World, name: str) -> None:
        self._world, self._name = world, name

    def send(
        self, bodies: Sequence[Mapping[str, Any]], *, delay_seconds: int | None = None
    ) -> None:
        """As ``Queue.send``."""
        at = self._world.clock.now + (delay_seconds or 0)
        for body in bodies:
            self._world.put(Message(self._name, dict(body), at))
