"""The stand-in itself, without HTTP: state, one method to send, and what tests ask of it.

Where it stands beside a local stack, configuration sets and identities that were made there count
here too (``Beside``).
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parseaddr
from typing import Any

from ops.ses.account import Account, ConfigurationSet, EventDestination, Identity
from ops.ses.errors import SesError
from ops.ses.events import Event, event_of
from ops.ses.mails import Mail
from ops.ses.publishing import Publisher, Routed
from ops.ses.script import Fate, Fates, Script
from ops.ses.sending import accept, judge, outcomes, read_request

# What an event is called where a destination chooses its events.
_TYPE_NAMES = {"DeliveryDelay": "DELIVERY_DELAY", "Rendering Failure": "RENDERING_FAILURE"}


@dataclass(frozen=True, slots=True)
class Post:
    """One SendEmail request as it came, taken or not.

    Attributes:
        recipients: whom it was for, as far as it could be read.
        tags: its tags, as far as they could be read.
        accepted: the id of the mail that it became; None when it was not taken.
        refused: the code of the error that it was not taken for; None when it was, or when the
            script failed it before it was looked at.
    """

    recipients: tuple[str, ...]
    tags: Mapping[str, str]
    accepted: str | None = None
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class Beside:
    """What a local stack next door knows.

    Attributes:
        configuration_set: a set by name, None when it has none.
        identity: the identity that may send as an address, None when it has none.
    """

    configuration_set: Callable[[str], ConfigurationSet | None]
    identity: Callable[[str], Identity | None]


class SesStandIn:
    """One account, its mails, and the script of what goes wrong.

    Attributes:
        account: what the account may do; change it at will.
        script: what goes wrong with the next requests.
        fates: what becomes of mails by address.
        publisher: where events go.
        mails: what was taken, oldest first.
        posts: every SendEmail request, oldest first.
    """

    def __init__(
        self,
        account: Account | None = None,
        *,
        publisher: Publisher | None = None,
        beside: Beside | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Begin with an account (a new one is in the sandbox) and nothing sent."""
        self.account = account or Account()
        self.script = Script()
        self.fates = Fates()
        self.publisher = publisher or Publisher()
        self.mails: list[Mail] = []
        self.posts: list[Post] = []
        self.clock = clock
        self._beside = beside
        self.publisher.route = self._topics
        self._lock = threading.Lock()

    def accepted_by_tag(self, name: str) -> Counter[str]:
        """How many mails were taken with each value of a tag."""
        with self._lock:
            return Counter(mail.tags[name] for mail in self.mails if name in mail.tags)

    def note(self, post: Post) -> None:
        """Count a request that the script failed before it was looked at."""
        with self._lock:
            self.posts.append(post)

    def send(self, body: Mapping[str, Any]) -> Mail:
        """SendEmail; raises SesError, and then nothing was taken."""
        request = None
        try:
            request = read_request(body)
            known = self.configuration_set(request.configuration_set)
            self._meet(parseaddr(request.source)[1])
            with self._lock:
                now = self.clock()
                identity = judge(request, self.account, known)
                mail = accept(request, self.account, identity, now=now)
                self.mails.append(mail)
                self.posts.append(Post(mail.destination, mail.tags, accepted=mail.message_id))
                events = outcomes(mail, self.account, self.fates, now=now)
        except SesError as error:
            recipients = () if request is None else request.recipients
            tags = {} if request is None else request.tags
            self.note(Post(recipients, tags, refused=error.code))
            raise
        self._publish(mail, events)
        return mail

    def happen(self, message_id: str, *fates: Fate) -> None:
        """Let something become of a mail later on; raises KeyError for an unknown mail."""
        mail = next((each for each in self.mails if each.message_id == message_id), None)
        if mail is None:
            raise KeyError(message_id)
        now = self.clock()
        told = [
            event_of(fate, mail, recipient, at=now, region=self.account.region)
            for recipient in mail.destination
            for fate in fates
        ]
        self._publish(mail, [event for event in told if event is not None])

    def configuration_set(self, name: str | None) -> ConfigurationSet | None:
        """A configuration set by name, from here or from the stack beside."""
        if name is None:
            return None
        own = self.account.configuration_sets.get(name)
        if own is None and self._beside is not None:
            return self._beside.configuration_set(name)
        return own

    def _meet(self, sender: str) -> None:
        """Get to know an identity that was made next door."""
        if self._beside is not None and self.account.identity_of(sender) is None:
            found = self._beside.identity(sender)
            if found is not None:
                self.account.identities[found.name] = found

    def _publish(self, mail: Mail, events: Sequence[Event]) -> None:
        """Only what went through a configuration set is published, to whom it says."""
        if mail.configuration_set is not None:
            self.publisher.take(*(Routed(event, mail.configuration_set) for event in events))

    def _topics(self, routed: Routed) -> tuple[str, ...]:
        chosen = self.configuration_set(routed.configuration_set)
        destinations = () if chosen is None else chosen.destinations.values()
        return topics_for(destinations, routed.event["eventType"])


def topics_for(destinations: Iterable[EventDestination], event_type: str) -> tuple[str, ...]:
    """The topics that want events of a type, such as ``Bounce``."""
    wanted = _TYPE_NAMES.get(event_type, event_type.upper())
    return tuple(
        each.topic_arn
        for each in destinations
        if each.enabled and each.topic_arn is not None and wanted in each.event_types
    )
