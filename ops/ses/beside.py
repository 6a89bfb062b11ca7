"""The stand-in beside a local stack: what CloudFormation made there counts here too."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ops.ses.account import Account, ConfigurationSet, Identity
from ops.ses.events import Event
from ops.ses.operations import destination_from_json
from ops.ses.publishing import Publisher, TopicSink
from ops.ses.stand_in import Beside, SesStandIn
from ops.session import open_session

# Far above what a laptop sends: rate and quota are rehearsed by those who lower them.
RATE = 1_000.0
TRUSTED_SECONDS = 10.0
MAX_24_HOURS = 1_000_000.0


@dataclass
class Neighbour:
    """The local stack next door, looked at when something there is needed.

    Attributes:
        endpoint_url: where it listens; set once it does.
    """

    endpoint_url: str = ""
    clock: Callable[[], float] = time.monotonic
    _known: dict[str, tuple[float, ConfigurationSet]] = field(default_factory=dict)

    def configuration_set(self, name: str) -> ConfigurationSet | None:
        """A configuration set with its destinations, None when there is none.

        Only the first mail waits for the stack. After that what was found is served, and looked
        up again in the background once it is old: a busy stack must not put a mail in doubt.
        """
        looked_at, found = self._known.get(name, (0.0, None))
        if found is None:
            return self._refresh(name)
        if self.clock() - looked_at > TRUSTED_SECONDS:
            self._known[name] = (self.clock(), found)
            threading.Thread(target=self._refresh, args=(name,), daemon=True).start()
        return found

    def _refresh(self, name: str) -> ConfigurationSet | None:
        found = self._look_up(name)
        if found is not None:
            self._known[name] = (self.clock(), found)
        return found

    def _look_up(self, name: str) -> ConfigurationSet | None:
        try:
            known = self._ses.get_configuration_set(ConfigurationSetName=name)
        except self._ses.exceptions.NotFoundException:
            return None
        enabled = known.get("SendingOptions", {}).get("SendingEnabled", True)
        listed = self._ses.get_configuration_set_event_destinations(ConfigurationSetName=name)
        destinations = {
            each["Name"]: destination_from_json(each["Name"], each)
            for each in listed.get("EventDestinations", ())
        }
        return ConfigurationSet(name, bool(enabled), destinations=destinations)

    def identity(self, address: str) -> Identity | None:
        """The narrowest identity for an address, None when there is none."""
        for name in (address, address.rpartition("@")[2]):
            try:
                known = self._ses.get_email_identity(EmailIdentity=name)
            except self._ses.exceptions.NotFoundException:
                continue
            return Identity(name, verified=bool(known["VerifiedForSendingStatus"]))
        return None

    def publish(self, event: Event, *, topic_arn: str) -> None:
        """Publish to a topic of the stack."""
        TopicSink(self._sns).publish(event, topic_arn=topic_arn)

    @cached_property
    def _ses(self) -> Any:
        session = open_session(endpoint_url=self.endpoint_url, mail_url=self.endpoint_url)
        return session.client("sesv2")

    @cached_property
    def _sns(self) -> Any:
        return open_session(endpoint_url=self.endpoint_url).client("sns")


def stand_in_beside(neighbour: Neighbour) -> SesStandIn:
    """A stand-in for a local stack: out of the sandbox, and new identities are verified."""
    account = Account(production=True, rate=RATE, max_24_hours=MAX_24_HOURS, verify_at_once=True)
    beside = Beside(neighbour.configuration_set, neighbour.identity)
    publisher = Publisher(topics=neighbour)
    return SesStandIn(account, publisher=publisher, beside=beside)
