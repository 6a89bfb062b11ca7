"""What every task of a divided drop works with: where it is, what is done, and how to say so."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from chalicelib.core.control import Drop
from chalicelib.core.errors import Broken
from chalicelib.core.kinds import DROP
from chalicelib.core.rules import Rules
from chalicelib.core.storage import Stored
from chalicelib.core.tokens import SigningKeys
from chalicelib.flows.big_documents import (
    BigPlan,
    Joined,
    PartDone,
    done_from_json,
    done_json,
    joined_from_json,
    plan_from_json,
)
from chalicelib.flows.big_done import DoneParts, done_key, read_done
from chalicelib.flows.big_places import Places, Stage
from chalicelib.flows.drop_log import DropLog
from chalicelib.flows.drop_notice import Arrived
from chalicelib.flows.drop_work import DropPorts


@dataclass(frozen=True, slots=True)
class Task:
    """One call of the one function that works on parts.

    Attributes:
        arrived: the object that is divided.
        attempt: names the execution.
        number: of the part; 0 for tasks that are about the whole drop.
        ports: what is needed from outside.
        rules: policy, law and model.
        keys: secrets that name addresses and coupon codes.
        now: the moment.
        clock: seconds of any origin, for how long it took; it decides nothing.
    """

    arrived: Arrived
    attempt: str
    number: int
    ports: DropPorts
    rules: Rules
    keys: SigningKeys
    now: int
    clock: Callable[[], float] = time.monotonic

    @property
    def places(self) -> Places:
        """Where the drop's parts lie."""
        return Places(self.arrived.drop_id)

    @property
    def bucket(self) -> str:
        """Where work and results lie."""
        return self.ports.results_bucket

    # --- documents ------------------------------------------------------------------------------

    def find_plan(self) -> BigPlan | None:
        """How the drop was divided; None before it was."""
        key = self.places.plan
        # A missing key that may not be listed would look forbidden, so nothing is read on trial.
        if not any(self.ports.objects.list(self.bucket, prefix=key)):
            return None
        return plan_from_json(self.ports.objects.get(self.bucket, key=key))

    def the_plan(self) -> BigPlan:
        """The same where there must be one; raises Broken."""
        plan = self.find_plan()
        if plan is None:
            raise Broken("nobody has planned this drop")
        return plan

    def joined(self) -> Joined:
        """What is known since every range is done."""
        return joined_from_json(self.ports.objects.get(self.bucket, key=self.places.joined))

    def find_joined(self) -> Joined | None:
        """The same; None where not every range is done, or joining them failed."""
        if not any(self.ports.objects.list(self.bucket, prefix=self.places.joined)):
            return None
        return self.joined()

    def put_json(self, key: str, body: bytes) -> None:
        """Keep a document."""
        self.ports.objects.put(self.bucket, key=key, body=body, content_type="application/json")

    def done(self) -> DoneParts:
        """Which parts are done, and of how many records."""
        found = self.ports.objects.list(self.bucket, prefix=self.places.done)
        return read_done(self.places, (each.key for each in found))

    def is_done(self, stage: Stage) -> bool:
        """Whether this part was worked on to its end before."""
        prefix = self.places.done_prefix(stage, self.number)
        return any(self.ports.objects.list(self.bucket, prefix=prefix))

    def read_parts(self, done: DoneParts, stage: Stage) -> list[PartDone]:
        """What came of every part of a stage that is done, by number."""
        keys = [done.keys[stage][number] for number in sorted(done.keys[stage])]
        with ThreadPoolExecutor(self.ports.limits.parallel_writes) as readers:
            bodies = readers.map(lambda key: self.ports.objects.get(self.bucket, key=key), keys)
            return [done_from_json(body) for body in bodies]

    def finish_part(self, stage: Stage, part: PartDone, plan: BigPlan) -> None:
        """Say that a part is done, and then how far the drop is."""
        self.put_json(done_key(self.places, stage, part.number, part.tally), done_json(part))
        log = self.drop_log()
        if log is not None:
            log.show(self.done().progress(plan))

    def download(self, path: Path, key: str, ranges: tuple[int, int] | None = None) -> None:
        """A work file, or the bytes of it from one place to before another, onto a local path."""
        objects = self.ports.objects
        if ranges is None:
            objects.download_to(path, bucket=self.bucket, key=key)
        else:
            start, end = ranges
            objects.download_range(path, bucket=self.bucket, key=key, start=start, end=end)

    def leave(self, path: Path, key: str, content_type: str) -> None:
        """A local file as a work file or a result."""
        self.ports.objects.upload(path, bucket=self.bucket, key=key, content_type=content_type)

    # --- the drop's record ----------------------------------------------------------------------

    def known_drop(self) -> Stored[Drop] | None:
        """What ``GET /v1/drops/{id}`` shows."""
        key = DROP.key(self.arrived.drop_id)
        return self.ports.store.read([key], now=self.now).stored(key)

    def drop_log(self) -> DropLog | None:
        """The record to write to; None for a drop that nobody has begun."""
        known = self.known_drop()
        if known is None:
            return None
        return DropLog(known.value, known, store=self.ports.store, clock=lambda: self.now)
