"""From recorded invocations to units: what one decision, event, mail or row calls for on AWS."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from ops.cost.assumptions import DAY_SECONDS, MONTH_SECONDS, Assumptions, cpu_share
from ops.cost.calls import GB
from ops.cost.quantities import added
from ops.cost.recorder import Invocation
from ops.operating import OperatingTable

FREE_EPHEMERAL_MB = 512
# What Lambda's poller asks of the queue for one batch: ReceiveMessage and DeleteMessageBatch.
POLLER_REQUESTS = 2


@dataclass(frozen=True, slots=True)
class Lambdas:
    """How invocations become bills.

    Attributes:
        table: memory, disk and queue of each function.
        assumptions: what cannot be measured here.
        sending_ms: CPU time of a call's socket, which moto does not need.
        cold_start_cpu_ms: CPU time until a new environment is ready.
    """

    table: OperatingTable
    assumptions: Assumptions
    sending_ms: float
    cold_start_cpu_ms: float

    def billed_ms(self, invocation: Invocation) -> float:
        """What Lambda bills: computing at the function's share of a vCPU, and waiting for calls."""
        told, calls = self.assumptions, invocation.counts.calls
        cpu_ms = invocation.cpu_ms + self.sending_ms * calls.total()
        waits_ms = sum(told.wait_ms(call) * count for call, count in calls.items())
        waits_ms /= told.parallel_waits.get(invocation.function, 1)
        share = cpu_share(self.table[invocation.function].memory_mb)
        cold_ms = told.cold_share * self.cold_start_cpu_ms
        return math.ceil(cpu_ms / share + waits_ms) + cold_ms

    def units(self, invocation: Invocation) -> dict[str, float]:
        """Everything that one invocation is billed as, storage aside."""
        row, told = self.table[invocation.function], self.assumptions
        seconds = self.billed_ms(invocation) / 1000
        log_gb = (invocation.log_bytes + told.log_bytes_per_invocation) / GB
        own = {
            "lambda.request": 1,
            f"lambda.gb_second.{told.architecture}": seconds * row.memory_mb / 1024,
            "logs.ingested_gb": log_gb,
            "logs.stored_gb_month": log_gb * told.log_kept_months,
            "transfer.out_gb": invocation.out_bytes / GB,
            "sqs.request": 0 if row.queue is None else POLLER_REQUESTS,
        }
        above_mb = row.ephemeral_mb - FREE_EPHEMERAL_MB
        if above_mb:
            own["lambda.ephemeral_gb_second"] = seconds * above_mb / 1024
        return added(invocation.counts.units, own)

    def total(self, invocations: Iterable[Invocation]) -> dict[str, float]:
        """The sum over invocations."""
        return added(*map(self.units, invocations))

    def kept(self, invocations: Iterable[Invocation]) -> dict[str, float]:
        """Storage of what they wrote, for as long as it stays, with its recovery backups."""
        gb_months = sum(
            each.counts.byte_seconds / GB / MONTH_SECONDS
            + each.counts.kept_bytes / GB * self.assumptions.kept_days * DAY_SECONDS / MONTH_SECONDS
            for each in invocations
        )
        return {"dynamodb.storage_gb_month": gb_months, "dynamodb.recovery_gb_month": gb_months}
