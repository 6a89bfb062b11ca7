"""What an account may do: identities, configuration sets, suppression list, rate and quota."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ops.ses.errors import throttled

DAY_SECONDS = 86_400.0
SANDBOX_MAX_24_HOURS = 200.0
SANDBOX_RATE = 1.0
ACCOUNT_ID = "000000000000"

DkimStatus = Literal["PENDING", "SUCCESS", "FAILED", "TEMPORARY_FAILURE", "NOT_STARTED"]
SuppressionReason = Literal["BOUNCE", "COMPLAINT"]


@dataclass(slots=True)
class Identity:
    """An address or a domain that may send once it is verified.

    Attributes:
        name: the address or the domain.
        verified: whether SES sends for it.
        dkim: where its DKIM stands.
        mail_from_domain: its custom MAIL FROM domain; None for amazonses.com.
        mail_from_status: whether that domain's records were found.
        configuration_set: what a mail that names none goes through.
    """

    name: str
    verified: bool = False
    dkim: DkimStatus = "NOT_STARTED"
    mail_from_domain: str | None = None
    mail_from_status: DkimStatus = "NOT_STARTED"
    configuration_set: str | None = None

    @property
    def is_domain(self) -> bool:
        """Whether it is a domain rather than an address."""
        return "@" not in self.name


@dataclass(slots=True)
class EventDestination:
    """Where the events of a configuration set go.

    Attributes:
        name: unique within the set.
        event_types: such as SEND and BOUNCE.
        topic_arn: the SNS topic; None for a kind of destination that is only remembered.
        enabled: whether anything is published to it.
        definition: as the request gave it.
    """

    name: str
    event_types: frozenset[str]
    topic_arn: str | None
    enabled: bool
    definition: Mapping[str, Any]


@dataclass(slots=True)
class ConfigurationSet:
    """How mails that name it are treated, and where their events go."""

    name: str
    sending_enabled: bool = True
    options: dict[str, Any] = field(default_factory=dict)
    destinations: dict[str, EventDestination] = field(default_factory=dict)


@dataclass(slots=True)
class Account:
    """One account in one region.

    Attributes:
        production: whether it is out of the sandbox.
        max_24_hours: recipients in any 24 hours; -1 for no limit.
        rate: recipients a second.
        sending_enabled: whether it may send at all.
        enforcement: HEALTHY, PROBATION or SHUTDOWN.
        verify_at_once: whether a new identity is verified without anybody clicking a link.
        region: names the identities in refusals and the ARNs in events.
        suppressed_reasons: what puts an address onto the suppression list.
        suppressed: the list, the reason by address.
    """

    production: bool = False
    max_24_hours: float = SANDBOX_MAX_24_HOURS
    rate: float = SANDBOX_RATE
    sending_enabled: bool = True
    enforcement: str = "HEALTHY"
    verify_at_once: bool = False
    region: str = "us-east-1"
    suppressed_reasons: tuple[SuppressionReason, ...] = ("BOUNCE", "COMPLAINT")
    suppressed: dict[str, tuple[SuppressionReason, float]] = field(default_factory=dict)
    identities: dict[str, Identity] = field(default_factory=dict)
    configuration_sets: dict[str, ConfigurationSet] = field(default_factory=dict)
    _sent: deque[tuple[float, int]] = field(default_factory=deque)
    _allowance: float | None = None
    _refilled_at: float = 0.0

    def identity_of(self, address: str) -> Identity | None:
        """The narrowest identity for an address: itself, its domain, or a domain above."""
        name = address.lower()
        known = {each.lower(): identity for each, identity in self.identities.items()}
        if name in known:
            return known[name]
        domain = name.rpartition("@")[2]
        while "." in domain:
            if domain in known:
                return known[domain]
            domain = domain.partition(".")[2]
        return None

    def verified(self, address: str) -> bool:
        """Whether mail may be sent as, and in the sandbox to, this address."""
        identity = self.identity_of(address)
        return identity is not None and identity.verified

    def sent_last_24_hours(self, now: float) -> int:
        """Recipients that count towards the daily quota."""
        while self._sent and self._sent[0][0] <= now - DAY_SECONDS:
            self._sent.popleft()
        return sum(recipients for _, recipients in self._sent)

    def spend(self, recipients: int, *, counted: int, now: float) -> None:
        """Use up rate and quota, which count recipients.

        A mail goes through while anything is left of either, and may overdraw it: five
        recipients at one a second are taken, and then nothing for five seconds.

        Args:
            recipients: what the rate counts.
            counted: what the daily quota counts, which leaves the mailbox simulator out.
            now: epoch seconds.

        Raises:
            SesError: TooManyRequestsException; nothing was used up.
        """
        left = self.rate if self._allowance is None else self._allowance
        left = min(self.rate, left + (now - self._refilled_at) * self.rate)
        # A second holds ``rate`` mails, and never a fraction of one more.
        if left < min(1.0, self.rate):
            raise throttled("Maximum sending rate exceeded.")
        used = self.sent_last_24_hours(now)
        if counted and self.max_24_hours >= 0 and used >= self.max_24_hours:
            raise throttled("Daily message quota exceeded.")
        self._allowance, self._refilled_at = left - recipients, now
        if counted:
            self._sent.append((now, counted))
