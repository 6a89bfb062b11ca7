"""What is to be known of a stage before it sends to real people; ``ops.diagnosis`` judges it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ops.dmarc import Dmarc


@dataclass(frozen=True, slots=True)
class MailAccount:
    """What SES says of the account in this region.

    Attributes:
        production: whether it has left the sandbox.
        sending: whether it sends at all.
        enforcement: HEALTHY, PROBATION or SHUTDOWN.
        most_per_day: mails in 24 hours; -1 for no limit.
        sent_of_late: mails in the last 24 hours.
        most_per_second: mails a second.
    """

    production: bool
    sending: bool
    enforcement: str
    most_per_day: float
    sent_of_late: float
    most_per_second: float


@dataclass(frozen=True, slots=True)
class Identity:
    """The identity that SES judges the sender by.

    Attributes:
        name: a domain or an address.
        verified: whether SES sends for it.
        dkim: SUCCESS, or why not; DISABLED where signing is switched off.
        mail_from: the domain of the envelope, None for SES's own.
        mail_from_status: SUCCESS, or why not.
    """

    name: str
    verified: bool
    dkim: str
    mail_from: str | None
    mail_from_status: str | None

    @property
    def is_domain(self) -> bool:
        """Whether it is a domain rather than one address."""
        return "@" not in self.name


@dataclass(frozen=True, slots=True)
class Alarms:
    """Who hears of an alarm.

    Attributes:
        listening: confirmed subscriptions of the topic.
        unconfirmed: subscriptions that nobody has confirmed.
        mute: alarms that tell nobody.
        ringing: alarms that ring now.
    """

    listening: int
    unconfirmed: int
    mute: tuple[str, ...]
    ringing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """What was gathered of one stage; None where it could not be looked up.

    Attributes:
        stage: its name.
        address: the sender's bare address.
        public_url: where unsubscribe links lead.
        identities: the sender's identity, or nothing when SES knows none.
        dmarc: the policy of the sender's domain.
        account: what SES says of the account.
        set_sends: whether the configuration set sends.
        switched_on: whether the operator's switch lets mail go out.
        concurrency: how many functions the account runs at once.
        batch_concurrency: how many the operating table gives to batch work.
        workers: how many send at once.
        dead_letters: parked messages by the name that ``redrive`` knows.
        alarms: who hears of them.
    """

    stage: str
    address: str
    public_url: str
    identities: tuple[Identity, ...] | None
    dmarc: Dmarc | None
    account: MailAccount | None
    set_sends: bool | None
    switched_on: bool | None
    concurrency: int | None
    batch_concurrency: int
    workers: int
    dead_letters: Mapping[str, int] | None
    alarms: Alarms | None

    @property
    def domain(self) -> str:
        """The sender's domain."""
        return self.address.rpartition("@")[2]
