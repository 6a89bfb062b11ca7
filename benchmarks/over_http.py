"""Decisions over loopback HTTP, for information: what a caller waits for, and a server spends.

Ours stands behind Python's own threaded HTTP server and takes one request at a time; the peer is
FastAPI on uvicorn. Each client keeps its connection and asks again as soon as it is answered, so
with fifty of them nearly all of a latency is the queue of fifty on two cores.
"""

from __future__ import annotations

import http.client
import json
import os
import statistics
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.decision import trained_pipeline
from benchmarks.people import People, checkout_event, read_people
from benchmarks.processes import Server, running
from benchmarks.serve import CUSTOMERS
from benchmarks.settings import AWS
from benchmarks.with_aws import stub
from chalicelib.core.features import describe
from ops.places import BUILD, ROOT

MANY = 50
WARM_UP = 100


@dataclass(frozen=True, slots=True)
class Served:
    """How one server did.

    Attributes:
        p50_ms: median latency with one client.
        p99_ms: 99th percentile with fifty clients at once.
        per_second: answers a second then.
        cpu_ms: CPU time of the server for each of them.
    """

    p50_ms: float
    p99_ms: float
    per_second: float
    cpu_ms: float


@dataclass(frozen=True, slots=True)
class OverHttp:
    """What was measured: ours in memory and with its two calls to AWS, and the peer."""

    ours: Served
    ours_with_aws: Served
    fastapi: Served


def measure(*, requests: int = 3000) -> OverHttp:
    """Measure one server after the other."""
    people = read_people(CUSTOMERS)
    bodies = [
        checkout_event(facts.subject.id, session_id=f"s-{n}")["body"].encode()
        for n, facts in enumerate(people.facts)
    ]
    environment = {"PATH": os.defpath, **AWS, **_home()}
    serve = [sys.executable, "-m", "benchmarks.serve"]
    with running(serve, environment=environment) as server:
        ours = _drive(server, bodies, requests)
    with (
        stub(people) as aws,
        running([*serve, aws.url], environment=environment) as server,
    ):
        ours_with_aws = _drive(server, bodies, requests)
    with _fastapi(people) as server:
        fastapi = _drive(server, bodies, requests)
    return OverHttp(ours, ours_with_aws, fastapi)


@contextmanager
def _fastapi(people: People) -> Iterator[Server]:
    model = trained_pipeline()
    features = BUILD / "features.json"
    rows = {
        facts.subject.id: describe(facts, as_of=people.now, currency="USD").as_tuple()
        for facts in people.facts
    }
    features.write_text(json.dumps(rows))
    command = [ROOT / ".bench" / "bin" / "python", ROOT / "benchmarks" / "fastapi_peer.py"]
    command += [features, model]
    with running([str(part) for part in command], environment={"PATH": os.defpath}) as server:
        yield server


def _drive(server: Server, bodies: Sequence[bytes], requests: int) -> Served:
    _ask(server, bodies[:WARM_UP])
    alone = _ask(server, [bodies[n % len(bodies)] for n in range(requests // 4)])
    begun, spent = time.perf_counter(), server.cpu_seconds()
    crowd = _ask_at_once(server, bodies, requests // MANY)
    seconds = time.perf_counter() - begun
    return Served(
        p50_ms=statistics.median(alone),
        p99_ms=statistics.quantiles(crowd, n=100)[-1],
        per_second=len(crowd) / seconds,
        cpu_ms=(server.cpu_seconds() - spent) * 1000 / len(crowd),
    )


def _ask_at_once(server: Server, bodies: Sequence[bytes], each: int) -> list[float]:
    latencies: list[float] = []
    ready = threading.Barrier(MANY)

    def client(number: int) -> None:
        mine = [bodies[(number * each + n) % len(bodies)] for n in range(each)]
        ready.wait()
        latencies.extend(_ask(server, mine))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(MANY)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(latencies) != MANY * each:
        raise SystemExit(f"only {len(latencies)} of {MANY * each} requests were answered")
    return latencies


def _ask(server: Server, bodies: Sequence[bytes]) -> list[float]:
    """Milliseconds of each request, one after the other on one connection."""
    latencies = []
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    headers = {"Content-Type": "application/json"}
    for body in bodies:
        begun = time.perf_counter()
        connection.request("POST", "/v1/decisions", body, headers)
        response = connection.getresponse()
        answer = response.read()
        latencies.append((time.perf_counter() - begun) * 1000)
        if response.status != 200 or b'"degraded":true' in answer:
            raise SystemExit(f"a request failed: {response.status} {answer[:300]!r}")
    connection.close()
    return latencies


def _home() -> dict[str, str]:
    # Where the purchase histories are kept.
    names = ("HOME", "XDG_CACHE_HOME")
    return {name: os.environ[name] for name in names if name in os.environ}


if __name__ == "__main__":
    print(measure(requests=1000))
