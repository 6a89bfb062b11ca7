"""Erasure on DynamoDB itself: real transactions, real indexes, and the command after a restore."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.aws.clients import Clients
from chalicelib.aws.secrets import SigningKeysParameter
from chalicelib.aws.store import DynamoStore
from chalicelib.core.consents import Statement
from chalicelib.core.control import Switches
from chalicelib.core.storage import Table
from chalicelib.flows.consent import record_consent
from chalicelib.flows.erase import erase_customer
from chalicelib.flows.events import from_request
from chalicelib.flows.export import export_customer
from chalicelib.flows.settled import EventPorts
from chalicelib.flows.switches import flip, read_switches
from ops.reapply import reapply_to
from tests.makers import DAY_SECONDS, identify, order_event, rules_with
from tests.persons import ANN, CANARY, EMAIL, GUEST
from tests.stack import Stack, session, whole
from tests.stores import no_sleep
from tests.unit.core.situations import NOW


def everything(stack: Stack, client: Any) -> str:
    """All items of the tables that hold people, but for their compressed bodies, and those too."""
    tables = [stack.tables[name] for name in ("profiles", "decisions", "effects", "control")]
    return "\n".join(
        str(item) for table in tables for item in client.scan(TableName=table)["Items"]
    )


@pytest.fixture
def store(stack: Stack, clients: Clients) -> DynamoStore:
    """Storage in which Ann has a past."""
    store = DynamoStore(clients.dynamodb_patient, tables=stack.tables, sleep=no_sleep)
    at = NOW - 100 * DAY_SECONDS
    messages = [
        order_event("Order Completed", "canary-o-0", visitor=GUEST, total=30, at=at),
        identify(user=ANN, visitor=GUEST, email=EMAIL, consent_marketing_email=True, at=at + 1),
        order_event("Order Completed", "canary-o-1", user=ANN, total=30, at=at + 2),
    ]
    from_request(
        {"batch": messages},
        ports=EventPorts(store),
        rules=rules_with(),
        keys=keys_of(stack, clients),
        now=NOW,
        correlation_id="r",
    )
    return store


def keys_of(stack: Stack, clients: Clients) -> Any:
    """The signing keys of the stack."""
    parameter = SigningKeysParameter(clients.ssm_patient, name=stack.signing_keys_parameter)
    return parameter.read(now=NOW)


def test_nothing_is_left_and_nothing_comes_back(
    store: DynamoStore, stack: Stack, clients: Clients
) -> None:
    """Consent, copy, erasure, a restore of every table with people in it, and the command."""
    client, keys = whole(clients.dynamodb_patient()), keys_of(stack, clients)
    said = Statement("marketing_email", True, "consent", "v1", "form", NOW - 60)
    entry = record_consent(
        ANN, said, store=store, keys=keys, now=NOW, key_id="k", correlation_id="c"
    ).entry
    assert entry.number == 2
    told = export_customer(ANN, store=store, keys=keys, now=NOW)
    assert {order.order_id for order in told.orders} == {"canary-o-0", "canary-o-1"}
    assert told.effects
    restored: tuple[Table, ...] = ("profiles", "decisions", "effects")
    backup = {t: client.scan(TableName=stack.tables[t])["Items"] for t in restored}
    assert CANARY in everything(stack, client)

    erased = erase_customer(
        ANN,
        store=store,
        keys=keys,
        new_key=lambda: "0c" * 16,
        pause=no_sleep,
        now=NOW + 1,
        key_id="k",
        correlation_id="c",
    )

    assert erased.is_complete
    assert CANARY not in everything(stack, client)

    for table in restored:
        for item in backup[table]:
            client.put_item(TableName=stack.tables[table], Item=item)
    assert CANARY in everything(stack, client)

    ssm = session().client("ssm")
    counts = reapply_to(client, ssm, stack.environment, now=NOW + DAY_SECONDS)

    assert counts["facts"] == 2
    assert CANARY not in everything(stack, client)
    assert reapply_to(client, ssm, stack.environment, now=NOW + DAY_SECONDS) == {}


def test_the_switches_flip(store: DynamoStore) -> None:
    """Sixteen unconditional saves and one read."""
    flip(Switches(offers=False), store=store, now=NOW, key_id="k", correlation_id="c")
    flip(Switches(sending=False), store=store, now=NOW, key_id="k", correlation_id="c")

    state = read_switches(store=store, now=NOW)
    assert (state.switches, state.agreed) == (Switches(sending=False), True)
