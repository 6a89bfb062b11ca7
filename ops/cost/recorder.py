"""Runs the app's own handlers and keeps what each invocation called for and how long it computed.

CPU time is this process's, less what moto and the listening took of it. What is really sent goes
through botocore up to the socket; ``ops.cost.sending`` measures what the socket itself costs.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from typing import Any

from chalice.local import LambdaContext

from ops.cost.meter import Counts, Meter

Metric = tuple[str, ...]
Handler = Callable[[Any, Any], Any]
_TIMEOUT_MS = 900_000


@dataclass(frozen=True, slots=True)
class Invocation:
    """One invocation of one function.

    Attributes:
        function: its name in app.py; ``api_handler`` for a request.
        scene: of which part of the rehearsal.
        records: how many messages, requests or records it was given.
        counts: what it called for.
        cpu_ms: what it computed.
        log_bytes: what it wrote to its log.
        out_bytes: what a caller on the internet was answered.
        metrics: names with their dimensions, as CloudWatch tells them apart.
        answer: what the handler returned.
    """

    function: str
    scene: str
    records: int
    counts: Counts
    cpu_ms: float
    log_bytes: int
    out_bytes: int
    metrics: frozenset[Metric]
    answer: Any

    @property
    def planned(self) -> bool:
        """Whether it wrote a transaction, as every decision does that plans something."""
        return self.counts.calls["dynamodb TransactWriteItems"] > 0


@dataclass(slots=True)
class Recorder:
    """Every invocation so far, and the scene that goes on."""

    meter: Meter
    invocations: list[Invocation] = field(default_factory=list)
    scene: str = "setting out"

    @contextmanager
    def playing(self, scene: str) -> Iterator[None]:
        """Name the scene for the length of a block."""
        before, self.scene = self.scene, scene
        try:
            yield
        finally:
            self.scene = before

    def call(self, function: str, handler: Handler, event: Any, *, records: int = 1) -> Any:
        """Call a handler as Lambda does, and keep what came of it."""
        self.meter.counts = counts = Counts()
        lines = io.StringIO()
        begun = time.process_time_ns()
        try:
            with redirect_stdout(lines):
                answer = handler(event, LambdaContext(function, 512, _TIMEOUT_MS))
        finally:
            self.meter.counts = None
        spent_ns = time.process_time_ns() - begun - counts.aside_ns
        body = answer.get("body") if isinstance(answer, dict) else None
        self.invocations.append(
            Invocation(
                function=function,
                scene=self.scene,
                records=records,
                counts=counts,
                cpu_ms=max(0, spent_ns) / 1e6,
                log_bytes=len(lines.getvalue().encode()),
                out_bytes=len(body.encode()) if isinstance(body, str) else 0,
                metrics=metrics_in(lines.getvalue()),
                answer=answer,
            )
        )
        return answer

    def of(self, scene: str, function: str | None = None) -> Sequence[Invocation]:
        """The invocations of a scene, of one function or of all."""
        return [
            each
            for each in self.invocations
            if each.scene == scene and function in (None, each.function)
        ]


def metrics_in(lines: str) -> frozenset[Metric]:
    """The metrics that CloudWatch would make of log lines in its embedded format."""
    found: set[Metric] = set()
    for text in lines.splitlines():
        line: Mapping[str, Any] = json.loads(text) if text.startswith("{") else {}
        for block in line.get("_aws", {}).get("CloudWatchMetrics", ()):
            for names in block["Dimensions"]:
                values = tuple(f"{name}={line[name]}" for name in names)
                found |= {(each["Name"], *values) for each in block["Metrics"]}
    return frozenset(found)
