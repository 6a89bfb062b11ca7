"""The console on DynamoDB, S3 and SSM (moto): which operations its pages ask for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from chalice.test import Client

import app as segue
from chalicelib import telemetry, wiring
from chalicelib.adapters import aws_adapters
from chalicelib.aws.clients import Clients
from chalicelib.core.control import SCOPES
from chalicelib.core.kinds import DROP, FACTS, PRODUCT
from chalicelib.core.storage import WHATEVER, Put
from chalicelib.settings import read_settings
from ops.key import create_key, list_keys, revoke_key
from ops.places import CHALICE
from tests.browser import FORM, Document
from tests.functional.test_console_mails import DONE, DROP_ID, REJECTS, TABLE
from tests.stack import Stack, whole
from tests.storefront import MUGS, TEXAS
from tests.unit.core.situations import MUG, NOW, buyer, shipped_rules


class Desk:
    """An operator's desk: the app on moto, and what its clients ask of AWS."""

    def __init__(self, parts: wiring.Parts, clients: Clients) -> None:
        self.operations: list[str] = []
        self.key = create_key(parts.adapters.store, scopes=SCOPES, now=NOW)
        self._client = Client(segue.app)
        self._cookie = ""
        self._clients = [
            clients.dynamodb_fast(),
            clients.dynamodb_patient(),
            clients.ssm_patient(),
            clients.s3(),
        ]
        for client in self._clients:
            client.meta.events.register("before-call", self._count, unique_id="desk")

    def close(self) -> None:
        """Stop counting."""
        for client in self._clients:
            client.meta.events.unregister("before-call", unique_id="desk")

    def _count(self, model: Any, **_: Any) -> None:
        self.operations.append(model.name)

    def ask(self, method: str, path: str, form: str = "") -> Any:
        """Ask for a page, or post a form that is encoded already."""
        self.operations.clear()
        headers = {"Cookie": self._cookie, "Content-Type": FORM}
        response = self._client.http.request(method, path, headers=headers, body=form.encode())
        if "Set-Cookie" in response.headers:
            self._cookie = response.headers["Set-Cookie"].partition(";")[0]
        return response

    def token(self, path: str) -> str:
        """The form token of a page."""
        return Document(self.ask("GET", path).body.decode()).forms[-1].fields["form"]

    def checkout(self) -> str:
        """A checkout; the id of the decision."""
        body = json.dumps({"customer_id": "c-1", "context": TEXAS, "cart": MUGS}).encode()
        headers = {
            "Authorization": f"Bearer {self.key.text}",
            "Content-Type": "application/json",
        }
        response = self._client.http.request("POST", "/v1/decisions", headers=headers, body=body)
        decision_id: str = response.json_body["decision_id"]
        return decision_id


@pytest.fixture
def desk(stack: Stack, clients: Clients) -> Iterator[Desk]:
    """A desk at which an operator has signed in; a buyer, a mug and a drop are known."""
    settings = read_settings(stack.environment)
    parts = wiring.Parts(settings, aws_adapters(settings, clients), clock=lambda: NOW)
    parts.__dict__["rules"] = shipped_rules()
    facts = buyer(silent_days=100)
    parts.adapters.store.write(
        [
            Put(FACTS.key(facts.subject.key), facts, WHATEVER),
            Put(PRODUCT.key(MUG.sku), MUG, WHATEVER),
            Put(DROP.key(DROP_ID), DONE, WHATEVER),
        ],
        now=NOW,
    )
    clients.s3().put_object(Bucket=stack.results_bucket, Key=REJECTS, Body=TABLE.encode())
    wiring.install(parts)
    telemetry.configure(stage="test")
    opened = Desk(parts, clients)
    try:
        entered = opened.ask(
            "POST",
            "/console/sign-in",
            f"form={opened.token('/console/sign-in')}&key={opened.key.text}",
        )
        assert entered.status_code == 303, entered.body
        yield opened
    finally:
        opened.close()
        wiring.install(None)
        telemetry.configure(stage="unset")


def test_no_page_scans_and_each_asks_for_few_operations(desk: Desk) -> None:
    """Reads by key, queries of an index, the start of one object: nothing else, and not many."""
    pages = {
        "/console": 5,
        "/console/activity": 2,
        "/console/switches/sending": 2,
        "/console/customers": 1,
        "/console/customers/c-1": 6,
        f"/console/decisions/{desk.checkout()}": 4,
        "/console/messages": 26,
        "/console/messages?state=BOUNCED": 6,
        "/console/drops": 3,
        f"/console/drops/{DROP_ID}": 3,
        f"/console/drops/{DROP_ID}/rejects": 3,
        "/console/policies": 2,
        "/console/model": 2,
        "/console/experiments": 12,
        "/console/experiments/programme": 12,
        "/console/breaker": 2,
        "/console/segments": 4,
        "/console/segments?days=28": 9,
        "/console/segments/at_risk": 13,
    }
    for path, most in pages.items():
        response = desk.ask("GET", path)

        assert response.status_code == 200, path
        assert set(desk.operations) <= {"BatchGetItem", "Query", "GetObject"}, path
        assert len(desk.operations) <= most, (path, desk.operations)
    assert DONE.key in desk.ask("GET", "/console/drops").body.decode()
    assert TABLE.splitlines()[1].split(",")[2] in desk.ask(
        "GET", f"/console/drops/{DROP_ID}"
    ).body.decode().replace("&#39;", "'")


def test_what_pages_ask_for_is_what_the_function_may() -> None:
    """The policy of the function that serves pages allows these, and not a scan."""
    policy = json.loads((CHALICE / "policy-api_handler.json").read_text())
    allowed = {action for statement in policy["Statement"] for action in statement["Action"]}

    assert {
        "dynamodb:BatchGetItem",
        "dynamodb:Query",
        "dynamodb:PutItem",
        "s3:GetObject",
    } <= allowed
    assert not [action for action in allowed if "Scan" in action or "*" in action]


def test_a_switch_turns_under_the_version_that_was_read(desk: Desk) -> None:
    """Each copy by a conditional put; every copy says the same afterwards."""
    token = desk.token("/console/switches/offers")
    response = desk.ask("POST", "/console/switches/offers", f"form={token}&to=off")

    assert response.status_code == 303
    assert desk.operations.count("PutItem") == 16
    assert (
        'Offers</th><td><span class="state state-off">' in desk.ask("GET", "/console").body.decode()
    )


def test_the_breaker_begins_anew_in_one_transaction(desk: Desk) -> None:
    """All of its shards and the record of it, as from the command."""
    token = desk.token("/console/breaker")
    response = desk.ask("POST", "/console/breaker", f"form={token}&reason=mended")

    assert response.status_code == 303
    assert desk.operations.count("TransactWriteItems") == 1
    assert "mended" in desk.ask("GET", "/console").body.decode()


def test_a_key_that_ops_revokes_ends_its_session(
    desk: Desk, stack: Stack, clients: Clients
) -> None:
    """From one click to the next, without the minute that the authorizer remembers."""
    store = wiring.parts().adapters.store
    table = stack.tables["control"]
    assert len(list_keys(whole(clients.dynamodb_patient()), control_table=table)) == 1
    revoke_key(
        store,
        whole(clients.dynamodb_patient()),
        control_table=table,
        key_id=desk.key.api_key.key_id,
        now=NOW,
    )

    response = desk.ask("GET", "/console")

    assert response.status_code == 303
    assert response.headers["Location"].endswith("/console/sign-in?expired=1")
    assert desk.operations == ["BatchGetItem"]
