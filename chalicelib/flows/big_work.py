"""What every task of a divided drop works with: where it is, what is done, and how to say so."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from chalicelib.core.control import Drop
from chalicelib.core.kinds import DROP
from chalicelib.core.rules import Rules
from chalicelib.core.storage import Stored
from chalicelib.core.tokens import SigningKeys
from chalicelib.flows.big_documents import (
    BigPlan,
    PartDone,
    done_from_json,
    done_json,
    plan_from_json,
)
from chalicelib.flows.big_places import STAGES, Places, Stage
from chalicelib.flows.drop_log import DropLog, FinishedElsewhere
from chalicelib.flows.drop_notice import Arrived
from chalicelib.flows.drop_work import DropPorts
from chalicelib.files.cutting import PieceSink

READS_AT_ONCE = 16


class WorkObjects(Protocol):
    """Buckets as divided drops use them: S3, and its in-memory twin."""

    def keys(self, bucket: str, *, prefix: str) -> list[str]:
        """Every key that begins so, sorted."""
        ...

    def read(self, bucket: str, *, key: str) -> bytes:
        """All bytes of a small object."""
        ...


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
        if key not in self.ports.objects.keys(self.bucket, prefix=key):
            return None
        return plan_from_json(self.ports.objects.read(self.bucket, key=key))

    def put_json(self, key: str, body: bytes) -> None:
        """Keep a document."""
        self.ports.objects.put(self.bucket, key=key, body=body, content_type="application/json")

    def done_numbers(self) -> dict[Stage, frozenset[int]]:
        """Which parts are done, by stage."""
        found: dict[Stage, set[int]] = {stage: set() for stage in STAGES}
        for key in self.ports.objects.keys(self.bucket, prefix=self.places.done):
            stage, _, name = key.removeprefix(self.places.done).partition("/")
            for known in STAGES:
                if stage == known:
                    found[known].add(int(name.removesuffix(".json")))
        return {stage: frozenset(numbers) for stage, numbers in found.items()}

    def is_done(self, stage: Stage) -> bool:
        """Whether this part was worked on to its end before."""
        key = self.places.part_done(stage, self.number)
        return key in self.ports.objects.keys(self.bucket, prefix=key)

    def done_parts(self, stage: Stage, numbers: Sequence[int]) -> list[PartDone]:
        """What came of these parts."""
        keys = [self.places.part_done(stage, number) for number in numbers]
        return [done_from_json(body) for body in self.read_all(keys)]

    def read_all(self, keys: Sequence[str]) -> Iterator[bytes]:
        """Small objects, in the order of their keys."""
        with ThreadPoolExecutor(READS_AT_ONCE) as readers:
            yield from readers.map(
                lambda key: self.ports.objects.read(self.bucket, key=key), keys
            )

    def finish_part(self, stage: Stage, done: PartDone, plan: BigPlan) -> None:
        """Say that a part is done; then, as well as it goes, how far the drop is."""
        self.put_json(self.places.part_done(stage, done.number), done_json(done))
        log = self.drop_log()
        if log is not None:
            log.show(plan.progress(self.done_numbers()))

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
