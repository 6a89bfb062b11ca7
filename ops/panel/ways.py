"""The ways in that a button may use: those of a shop, of a data team and of an operator.

A file goes into the drops bucket, events and checkouts over the interface, SES fails by its
stand-in's own admin, and a schedule's function is run by its name through Lambda. No button reads
or writes a table.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.error import URLError

from chalicelib.flows.drop_notice import Arrived
from ops.panel.words import PressFailed
from ops.schedule import scheduled_event
from ops.ses.inbox import ask
from ops.story.letters import SentMail
from ops.story.play import Venue
from ops.story.shop import Answer

REVIEWER = "OnReviewDue"  # the function's name within the template


class Ways(Protocol):
    """What buttons do to the stack, and how they see what came of it."""

    def put_file(self, key: str, body: bytes) -> str:
        """Put a file into the drops bucket; returns the id of the drop."""

    def drop(self, drop_id: str) -> Mapping[str, Any] | None:
        """How far a file is; None while nobody has begun to read it."""

    def send(self, messages: Sequence[Mapping[str, Any]]) -> None:
        """``POST /v1/events``; raises PressFailed for a message that was rejected."""

    def decide(self, request: Mapping[str, Any]) -> Answer:
        """``POST /v1/decisions``."""

    def customer(self, customer_id: str) -> Mapping[str, Any] | None:
        """``GET /v1/customers/{id}``; None while nobody has spoken of them."""

    def run_review(self) -> None:
        """Run the schedule's function now, as an operator may."""

    def mails_to(self, address: str) -> Sequence[tuple[int, SentMail]]:
        """Mails to an address with their numbers in the inbox, oldest first."""

    def ses(self, path: str, body: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """One request to the admin of SES's stand-in; raises PressFailed where there is none."""


@dataclass(frozen=True, slots=True)
class VenueWays:
    """The ways into a deployed stack."""

    venue: Venue

    def put_file(self, key: str, body: bytes) -> str:
        """Put a file into the drops bucket; returns the id of the drop."""
        bucket = self.venue.outputs["DropsBucket"]
        put = self.venue.session.client("s3").put_object(Bucket=bucket, Key=key, Body=body)
        return Arrived(bucket, key, put.get("VersionId"), put["ETag"].strip('"')).drop_id

    def drop(self, drop_id: str) -> Mapping[str, Any] | None:
        """How far a file is; None while nobody has begun to read it."""
        return self.venue.shop.drop(drop_id)

    def send(self, messages: Sequence[Mapping[str, Any]]) -> None:
        """``POST /v1/events``; raises PressFailed for a message that was rejected."""
        told = self.venue.shop.send(messages).body
        if told["rejected"]:
            raise PressFailed(f"events were rejected: {told['rejected']}")

    def decide(self, request: Mapping[str, Any]) -> Answer:
        """``POST /v1/decisions``."""
        return self.venue.shop.decide(request)

    def customer(self, customer_id: str) -> Mapping[str, Any] | None:
        """``GET /v1/customers/{id}``; None while nobody has spoken of them."""
        return self.venue.shop.customer(customer_id)

    def run_review(self) -> None:
        """Run the schedule's function now; raises PressFailed where it failed."""
        session, stage = self.venue.session, self.venue.outputs["Stage"]
        found = session.client("cloudformation").describe_stack_resource(
            StackName=f"segue-{stage}", LogicalResourceId=REVIEWER
        )
        name = found["StackResourceDetail"]["PhysicalResourceId"]
        event = json.dumps(scheduled_event("on_review_due", int(time.time()))).encode()
        answer = session.client("lambda").invoke(FunctionName=name, Payload=event)
        if "FunctionError" in answer:
            raise PressFailed(f"{name} failed: {answer['Payload'].read().decode()}")

    def mails_to(self, address: str) -> Sequence[tuple[int, SentMail]]:
        """Mails to an address with their numbers in the inbox, oldest first."""
        mails = enumerate(self.venue.inbox.read(), start=1)
        return [(number, mail) for number, mail in mails if mail.recipient == address]

    def ses(self, path: str, body: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """One request to the admin of SES's stand-in; raises PressFailed where there is none."""
        if self.venue.mail_url is None:
            raise PressFailed("this stack takes mail itself: there is no stand-in for SES")
        try:
            return ask(self.venue.mail_url, path, body)
        except URLError as error:
            raise PressFailed(f"the stand-in for SES: {error}") from error
