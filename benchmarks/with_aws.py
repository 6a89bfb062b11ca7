"""``POST /v1/decisions`` with its two AWS calls, beside two bare boto3 calls of equal content.

AWS is a stub on loopback in a process of its own, so what is counted is what this process spends:
our whole handler with botocore below it, and a plain boto3 client that makes the same calls.
"""

from __future__ import annotations

import itertools
import json
import os
import statistics
import sys
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3

import app as ours
from benchmarks.decision import Discarded, checkouts
from benchmarks.people import CATALOGUE, People, read_people
from benchmarks.processes import Server, running
from benchmarks.settings import AWS, SETTINGS
from chalicelib import telemetry, wiring
from chalicelib.adapters import aws_adapters
from chalicelib.aws.clients import Clients
from chalicelib.aws.items import item_of
from chalicelib.core.kinds import FACTS, PRODUCT
from chalicelib.core.storage import Put
from ops.places import BUILD

CUSTOMERS = 200
BLOCK = 20
WARM_UP = 100
READS = frozenset({"BatchGetItem", "GetItem", "Query"})
Call = tuple[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class WithAws:
    """What was measured.

    Attributes:
        handler_p50_us: CPU time of one decision with its calls, of this process alone.
        bare_p50_us: CPU time of the same calls by a plain boto3 client.
        overhead: how many times the bare calls a whole decision takes: the median over pairs of
            blocks, as both of a pair meet the same machine.
        reads: calls that read, for one decision.
        writes: calls that write, for one decision.
    """

    handler_p50_us: float
    bare_p50_us: float
    overhead: float
    reads: float
    writes: float


def measure(*, decisions: int = 1000) -> WithAws:
    """Measure both in turns, after a warm-up."""
    people = read_people(CUSTOMERS)
    os.environ.update(AWS)
    with stub(people) as server:
        clients = Clients(endpoint_url=server.url)
        made: deque[Call] = deque()
        install(people, clients)
        events = checkouts([facts.subject.id for facts in people.facts])
        bare = bare_calls(server)
        _decide(events, WARM_UP)
        clients.dynamodb_fast().meta.events.register(
            "provide-client-params.dynamodb", _noting(made)
        )
        _decide(events, BLOCK)
        _repeat(made, bare)
        mine: list[float] = []
        theirs: list[float] = []
        ratios: list[float] = []
        reads = writes = 0
        while len(mine) < decisions:
            block = _decide(events, BLOCK)
            reads += sum(operation in READS for operation, _ in made)
            writes += sum(operation not in READS for operation, _ in made)
            peers = _repeat(made, bare)
            ratios.append(statistics.median(block) / statistics.median(peers))
            mine += block
            theirs += peers
    wiring.install(None)
    return WithAws(
        handler_p50_us=statistics.median(mine),
        bare_p50_us=statistics.median(theirs),
        overhead=statistics.median(ratios),
        reads=reads / len(mine),
        writes=writes / len(mine),
    )


@contextmanager
def stub(people: People) -> Iterator[Server]:
    """DynamoDB and SSM, with these people and the catalogue in them."""
    held: dict[str, list[Any]] = defaultdict(list)
    for facts in people.facts:
        held["profiles"].append(item_of(Put(FACTS.key(facts.subject.key), facts), version=1))
    for product in CATALOGUE:
        held["signals"].append(item_of(Put(PRODUCT.key(product.sku), product), version=1))
    path = BUILD / "stub.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(held))
    command = [sys.executable, "-m", "benchmarks.stub", str(path)]
    with running(command, environment={"PATH": os.defpath}) as server:
        yield server


def install(people: People, clients: Clients) -> None:
    """Everything as it is deployed, the clock aside."""
    adapters = aws_adapters(SETTINGS, clients)
    wiring.install(wiring.Parts(SETTINGS, adapters, clock=lambda: people.now))
    telemetry.configure(stage="bench", stream=Discarded())


def bare_calls(server: Server) -> Callable[[Call], None]:
    """A plain boto3 client that makes a call by its name."""
    client = boto3.client("dynamodb", endpoint_url=server.url)
    methods: dict[str, Callable[..., Any]] = {
        "BatchGetItem": client.batch_get_item,
        "PutItem": client.put_item,
        "UpdateItem": client.update_item,
        "TransactWriteItems": client.transact_write_items,
    }

    def call(noted: Call) -> None:
        operation, params = noted
        methods[operation](**params)

    return call


def _noting(made: deque[Call]) -> Callable[..., None]:
    def note(params: dict[str, Any], model: Any, **_: Any) -> None:
        made.append((model.name, dict(params)))

    return note


def _decide(events: Iterator[dict[str, Any]], count: int) -> list[float]:
    spent = []
    for event in itertools.islice(events, count):
        begun = time.process_time_ns()
        response = ours.app(event, None)
        spent.append((time.process_time_ns() - begun) / 1000)
        if response["statusCode"] != 200 or '"degraded":true' in response["body"]:
            raise SystemExit(f"a decision failed: {response['body']}")
    return spent


def _repeat(made: deque[Call], bare: Callable[[Call], None]) -> list[float]:
    """Microseconds that the noted calls of one decision take, decision by decision."""
    spent = []
    while made:
        decision = [made.popleft()]
        while made and made[0][0] not in READS:
            decision.append(made.popleft())
        begun = time.process_time_ns()
        for call in decision:
            bare(call)
        spent.append((time.process_time_ns() - begun) / 1000)
    return spent
