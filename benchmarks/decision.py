"""``POST /v1/decisions``, whole handler without AWS: ours and the naive one, in turns.

Both get the same events from the same customers and hold the same profiles in memory. What is
counted is CPU time of the process, call by call. Blocks of the two alternate, so that both meet
the same machine; every decision is a fresh one in a session of its own.
"""

from __future__ import annotations

import io
import itertools
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalice.app import Chalice

import app as ours
from benchmarks.held_store import HeldStore
from benchmarks.people import CATALOGUE, People, checkout_event, read_people
from benchmarks.settings import SETTINGS
from chalicelib import telemetry, wiring
from chalicelib.adapters import Adapters, aws_adapters
from chalicelib.api.edge import Access
from chalicelib.aws.clients import Clients
from chalicelib.core.kinds import FACTS, PRODUCT
from chalicelib.core.tokens import SigningKeys
from ops.places import ROOT

CUSTOMERS = 400
BLOCK = 250
KEYS = SigningKeys("k1", {"k1": b"k" * 32}, b"a" * 32, b"c" * 32)
Handler = Callable[[Any, Any], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured; times are CPU microseconds of one call.

    Attributes:
        decision_p50_us: median over customers of the sample, each asking in a new session.
        decision_p99_us: the slowest in a hundred of them.
        stranger_p50_us: median for customers whom nobody knows.
        naive_p50_us: median of the naive handler, for the same customers.
        nothing_p50_us: median of a Chalice handler that does nothing: what the machine is worth.
        aws_reads: calls to storage that read, for one fresh decision.
        aws_writes: calls to storage that write.
    """

    decision_p50_us: float
    decision_p99_us: float
    stranger_p50_us: float
    naive_p50_us: float
    nothing_p50_us: float
    aws_reads: float
    aws_writes: float

    @property
    def decision_ratio(self) -> float:
        """How many times cheaper ours is than the naive one."""
        return self.naive_p50_us / self.decision_p50_us


class Discarded(io.StringIO):
    """Standard output as Lambda takes it: the line is handed over and gone."""

    def write(self, text: str) -> int:
        """Take a line."""
        return len(text)


def measure(*, decisions: int = 3000, naive_decisions: int = 300) -> Figures:
    """Measure all in turns, after a warm-up of each."""
    people = read_people(CUSTOMERS)
    store = install(people)
    naive, nothing = load_naive(people), handler_of_nothing()
    known = checkouts([facts.subject.id for facts in people.facts])
    unknown = checkouts(["nobody"])
    for handler in (ours.app, nothing):
        run(handler, known, BLOCK)
    run(naive, known, 5)

    mine: list[float] = []
    strangers: list[float] = []
    peers: list[float] = []
    floor: list[float] = []
    store.reads = store.writes = 0
    while len(mine) < decisions:
        mine += run(ours.app, known, BLOCK)
        strangers += run(ours.app, unknown, BLOCK // 5)
        floor += run(nothing, known, BLOCK // 5)
        peers += run(naive, known, max(1, naive_decisions * BLOCK // decisions))
    asked = len(mine) + len(strangers)
    return Figures(
        decision_p50_us=statistics.median(mine),
        decision_p99_us=statistics.quantiles(mine, n=100)[-1],
        stranger_p50_us=statistics.median(strangers),
        naive_p50_us=statistics.median(peers),
        nothing_p50_us=statistics.median(floor),
        aws_reads=store.reads / asked,
        aws_writes=store.writes / asked,
    )


def handler_of_nothing() -> Handler:
    """A Chalice app whose one route answers an empty object."""
    app = Chalice(app_name="nothing", configure_logs=False)

    @app.route("/v1/decisions", methods=["POST"])
    def nothing() -> dict[str, str]:
        return {}

    return app


def install(people: People) -> HeldStore:
    """Give the app a store in memory, and everything else as it is when deployed."""
    held = [(FACTS.key(facts.subject.key), facts) for facts in people.facts]
    products = [(PRODUCT.key(product.sku), product) for product in CATALOGUE]
    store = HeldStore([*held, *products])
    aws = aws_adapters(SETTINGS, Clients())
    adapters = Adapters(
        hurried=lambda: Access(store, lambda: KEYS),
        key_store=lambda: store,
        store=store,
        signing_keys=lambda _: KEYS,
        effects_queue=aws.effects_queue,
        later=aws.later,
        again=aws.again,
        bus=aws.bus,
        objects=aws.objects,
        results=aws.results,
        mailer=aws.mailer,
    )
    wiring.install(wiring.Parts(SETTINGS, adapters, clock=lambda: people.now))
    telemetry.configure(stage="bench", stream=Discarded())
    rejected = wiring.parts().rejected
    if rejected is not None:
        raise SystemExit(f"the packaged model was refused: {rejected}")
    return store


def trained_pipeline() -> Path:
    """Where the peers' pipeline is, trained first where it is missing."""
    pipeline = ROOT / "model_artifacts" / "cdnow-1.0.0" / "model.joblib"
    if not pipeline.is_file():
        command = [sys.executable, "-m", "ops", "train"]
        subprocess.run(command, cwd=ROOT, check=True, stdout=sys.stderr)  # noqa: S603 - ours
    return pipeline


def load_naive(people: People) -> Handler:
    """Import the naive handler."""
    trained_pipeline()
    from benchmarks import naive  # noqa: PLC0415  (unpickles at import)

    naive.facts_by_customer.update({facts.subject.id: facts for facts in people.facts})
    naive.moment = people.now
    return naive.app


def checkouts(customer_ids: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Checkouts of everybody in turn, each in a new session."""
    for number, customer_id in enumerate(itertools.cycle(customer_ids)):
        yield checkout_event(customer_id, session_id=f"s-{number}")


def run(handler: Handler, requests: Iterator[dict[str, Any]], count: int) -> list[float]:
    """CPU microseconds of each of ``count`` calls."""
    spent = []
    for event in itertools.islice(requests, count):
        begun = time.process_time_ns()
        response = handler(event, None)
        spent.append((time.process_time_ns() - begun) / 1000)
        if response["statusCode"] != 200:
            raise SystemExit(f"a decision failed: {response['body']}")
    return spent
