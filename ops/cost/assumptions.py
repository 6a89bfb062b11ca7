"""What cannot be measured on a laptop and has to be assumed; each a number that can be changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from chalicelib.aws.secrets import KEPT_SECONDS

VCPU_MB: Final = 1769  # what Lambda gives one whole vCPU for
MONTH_SECONDS: Final = 730 * 3600
DAY_SECONDS: Final = 86_400

# How long a function waits for one call to another service in the same region.
_WAITS_MS: Final = MappingProxyType(
    {
        "dynamodb": 5.0,
        "dynamodb TransactWriteItems": 12.0,
        "sqs": 8.0,
        "s3": 30.0,
        "email": 60.0,
        "events": 15.0,
        "ssm": 15.0,
    }
)


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What the bill assumes.

    Attributes:
        waits_ms: of one call by service, or by service and operation.
        parallel_waits: of how many calls at once a function waits, where not of one.
        architecture: whose GB-second is billed; the package is made for x86_64.
        cold_share: of invocations that start a new environment.
        decisions_per_authorizer_call: an answer of the authorizer serves its key for a minute.
        opens_per_mail: SES publishes "send" and "delivery" of each mail, and an open of some.
        kept_days: storage of what never expires is billed for so long.
        log_bytes_per_invocation: START, END and REPORT, which Lambda writes itself.
        log_kept_months: as the template keeps log lines.
        pollers_per_queue: of an idle queue; each asks every ``poll_seconds``.
        poll_seconds: how long one long poll waits.
        signing_keys_seconds: a process reads the signing keys again so often.
        key_seconds: DynamoDB asks KMS again for a table's key so often, for each caller.
    """

    waits_ms: Mapping[str, float] = field(default_factory=lambda: _WAITS_MS)
    parallel_waits: Mapping[str, int] = field(default_factory=lambda: {"on_drop": 8})
    architecture: str = "x86_64"
    cold_share: float = 0.005
    decisions_per_authorizer_call: int = 100
    opens_per_mail: float = 0.4
    kept_days: int = 365
    log_bytes_per_invocation: int = 330
    log_kept_months: float = 1.0
    pollers_per_queue: int = 5
    poll_seconds: int = 20
    signing_keys_seconds: int = KEPT_SECONDS
    key_seconds: int = 300

    def wait_ms(self, call: str) -> float:
        """How long one call is waited for; ``call`` is service and operation."""
        service = call.partition(" ")[0]
        return self.waits_ms.get(call, self.waits_ms.get(service, 0.0))


def cpu_share(memory_mb: int) -> float:
    """The part of one vCPU that one thread of a function gets."""
    return min(1.0, memory_mb / VCPU_MB)
