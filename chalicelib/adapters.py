"""Everything outside of the process, and the adapters for AWS that stand for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.api.edge import Access
from chalicelib.aws.beginnings import S3Beginnings
from chalicelib.aws.bus import EventBridgeBus
from chalicelib.aws.clients import Clients
from chalicelib.aws.deadline import CHECKOUT_SECONDS, Deadline
from chalicelib.aws.machine import StepFunctionsMachine
from chalicelib.aws.mailer import SesMailer
from chalicelib.aws.objects import S3Objects
from chalicelib.aws.queues import SqsQueue
from chalicelib.aws.secrets import SigningKeysParameter
from chalicelib.aws.store import DynamoStore
from chalicelib.aws.within import StoreWithin
from chalicelib.clock import now
from chalicelib.core.ports import (
    LONGEST_DELAY_SECONDS,
    AgainPorts,
    Beginnings,
    Bus,
    Machine,
    Mailer,
    Queue,
    Store,
)
from chalicelib.core.tokens import SigningKeys
from chalicelib.settings import Settings

if TYPE_CHECKING:  # these flows bring whatever else they import, and no checkout needs it
    from typing import Protocol

    from chalicelib.flows.list_drops import DropIndex
    from chalicelib.flows.list_mails import MailIndex
    from chalicelib.flows.look_up import GroupIndex
    from chalicelib.flows.night_sizes import CountingStore
    from chalicelib.flows.objects import Objects
    from chalicelib.flows.read import Library
    from chalicelib.flows.sweep import OverdueIndex

    class Storage(DropIndex, MailIndex, Library, OverdueIndex, GroupIndex, CountingStore, Protocol):
        """Storage with all of its indexes."""


@dataclass(frozen=True, slots=True)
class Adapters:
    """Everything outside of the process.

    Attributes:
        hurried: opens access for a checkout, whose deadline begins now.
        key_store: opens storage to look an API key up, with a deadline of its own.
        store: storage that retries for as long as it is worth it.
        signing_keys: brings the signing keys as of a moment.
        effects_queue: from which effects are performed.
        later: the same, each message delayed.
        again: where mail events go that could not be taken in.
        bus: where events for other systems go.
        objects: files in buckets.
        results: what drops left behind, for somebody who looks at it.
        mailer: hands mails to the provider.
        drops_queue: where simulations wait beside files; None where the stage names no queue.
        divided_drops: works on files that are divided; None where there is no such machine.
    """

    hurried: Callable[[], Access]
    key_store: Callable[[], Store]
    store: Storage
    signing_keys: Callable[[int], SigningKeys]
    effects_queue: Queue
    later: Queue
    again: AgainPorts
    bus: Bus
    objects: Objects
    results: Beginnings
    mailer: Mailer
    drops_queue: Queue | None = None
    divided_drops: Machine | None = None


def aws_adapters(settings: Settings, clients: Clients) -> Adapters:
    """The adapters for AWS; nothing is connected before it is used."""
    fast = DynamoStore(clients.dynamodb_fast, tables=settings.tables)
    parameter = SigningKeysParameter(clients.ssm, name=settings.signing_keys_parameter)
    unhurried = SigningKeysParameter(clients.ssm_patient, name=settings.signing_keys_parameter)

    def hurried() -> Access:
        # A first client takes a second and more of a cold start. It is made before the clock
        # runs, or the first answer of every new process would be a degraded one.
        clients.warm()
        deadline = Deadline.after(CHECKOUT_SECONDS)

        def keys() -> SigningKeys:
            return parameter.read(now=now(), deadline=deadline)

        return Access(StoreWithin(fast, deadline), keys)

    def key_store() -> Store:
        clients.warm("dynamodb_fast")  # as above; the authorizer needs no other client
        return StoreWithin(fast, Deadline.after(CHECKOUT_SECONDS))

    return Adapters(
        hurried=hurried,
        key_store=key_store,
        store=DynamoStore(clients.dynamodb_patient, tables=settings.tables),
        signing_keys=lambda moment: unhurried.read(now=moment),
        effects_queue=SqsQueue(clients.sqs, url=settings.effects_queue_url),
        later=SqsQueue(
            clients.sqs, url=settings.effects_queue_url, delay_seconds=LONGEST_DELAY_SECONDS
        ),
        again=AgainPorts(
            SqsQueue(clients.sqs, url=settings.mail_events_queue_url),
            SqsQueue(clients.sqs, url=settings.mail_events_dead_letters_url),
        ),
        bus=EventBridgeBus(clients.events, name=settings.bus_name),
        objects=S3Objects(clients.s3),
        results=S3Beginnings(clients.s3, bucket=settings.results_bucket),
        mailer=SesMailer(clients.sesv2, configuration_set=settings.configuration_set),
        drops_queue=_drops_queue(settings, clients),
        divided_drops=_machine(settings, clients),
    )


def _drops_queue(settings: Settings, clients: Clients) -> Queue | None:
    url = settings.drops_queue_url
    return None if url is None else SqsQueue(clients.sqs, url=url)


def _machine(settings: Settings, clients: Clients) -> Machine | None:
    arn = settings.divided_drops_machine
    return None if arn is None else StepFunctionsMachine(clients.stepfunctions, arn=arn)
