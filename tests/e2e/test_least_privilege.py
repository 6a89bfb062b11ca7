"""Each function does its work with its own policy and nothing more.

Everywhere else the local stack lets every call through. Here it judges each call of a function by
the policy of that function's role, so that a permission that is missing fails here and not in AWS.
Three things it judges unlike AWS are put right in the template first: it speaks plain HTTP, which
the TLS-only rules would refuse; it gives the calls of SES no resource and no From address; and it
asks for sqs:SendMessageBatch, an action that AWS does not have (sqs:SendMessage covers both).
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from chalicelib.aws.items import key_of
from chalicelib.core.control import SCOPES
from chalicelib.core.features import FEATURE_NAMES
from chalicelib.core.instants import format_instant
from chalicelib.core.kinds import EFFECT, PRODUCT
from chalicelib.core.policy import policy_from_toml
from ops.dead_letters import count_messages
from ops.demo import PLAN
from ops.deploy import deploy_package
from ops.key import create_key, key_store
from ops.package import Package, build_from_environment, ensure_package
from ops.places import ROOT
from ops.refusals import functions_of
from ops.seed import SeedFile, build_seed
from ops.session import open_session
from ops.stack import running
from ops.story.books import read_books
from ops.story.letters import StackInbox
from ops.story.play import Venue, await_drop, await_quiet, put_file, read_segments
from ops.story.script import checkout, pick_shopper, scenes
from ops.story.shop import Shop
from ops.story.telling import Telling
from tests.app.packaged import NAMES, statements_of
from tests.e2e.clicks import Clicks
from tests.e2e.deployed import Filled, eventually, ledger_of, left_behind, state_of
from tests.mail_events import ses_event

pytestmark = pytest.mark.e2e
CUSTOMERS = 60
BAD_ORDERS = (
    b"order_id,customer_id,ordered_at,quantity,currency,amount\n"
    b"bad-1,c-bad,2026-01-01T00:00:00Z,1,USD,no-such-amount\n"
)
TEXT = (ROOT / "policies" / "default.toml").read_text()
POLICY = policy_from_toml(TEXT)
DENIED = re.compile(r"\w+: AccessDenied|not authorized to perform: \S+")


ABOVE_BYTES = 3_500


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    """The package on a local stack that enforces every function's policy."""
    package = ensure_package(build_from_environment(local=True), say=print)
    judged = _judgeable(package, tmp_path_factory.mktemp("judgeable"))
    with running(tmp_path_factory.mktemp("guarded"), enforce_iam=True) as stack:
        session = open_session(endpoint_url=stack.endpoint_url)
        # Small enough for the customers and the orders of a small demo to be divided.
        plan = replace(PLAN, divide_above_bytes=ABOVE_BYTES)
        done = deploy_package(judged, plan, session, endpoint_url=stack.endpoint_url, say=print)
        client = session.client("dynamodb")
        store = key_store(client, control_table=done.outputs["ControlTable"])
        issued = create_key(store, scopes=SCOPES, now=int(time.time()))
        shop = Shop(done.outputs["PublicUrl"], key=issued.text)
        yield Venue(session, done.outputs, stack.endpoint_url, shop, StackInbox(stack.endpoint_url))


@pytest.fixture(scope="module")
def filled(guarded: Venue) -> Filled:
    """A small demo, dropped as files and acted on, every call judged."""
    seed = build_seed(today=datetime.fromtimestamp(time.time(), UTC).date(), customers=CUSTOMERS)
    telling = Telling()
    drops = tuple(
        await_drop(guarded, *put_file(guarded, file), telling)
        for file in (seed.customers, seed.catalogue, seed.orders)
    )
    books, mails = await_quiet(guarded, telling)
    return Filled(seed, drops, books, tuple(mails))


def test_the_enforcement_is_real(guarded: Venue) -> None:
    """What a function may not do is refused: the authorizer's role cannot read a profile."""
    access_key, secret_key, token = _assumed(guarded, "Bearer")
    tables = guarded.session.client(
        "dynamodb",
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        aws_session_token=token,
    )
    key = {"pk": {"S": "c#1"}, "sk": {"S": "facts"}}

    with pytest.raises(tables.exceptions.ClientError, match="AccessDenied"):
        tables.get_item(TableName=guarded.outputs["ProfilesTable"], Key=key)


def test_files_become_mails(guarded: Venue, filled: Filled) -> None:
    """Reading and dividing a drop, folding, relaying, acting, mailing need what is granted."""
    assert [drop.state for drop in filled.drops] == ["COMPLETE"] * 3
    assert ["partitions" in drop.counts for drop in filled.drops] == [True, False, True]
    assert filled.books.mails_accepted == len(filled.mails) > 0
    assert filled.books.open == 0


def test_the_api_answers(guarded: Venue, filled: Filled) -> None:
    """Deciding, looking things up, folding events and unsubscribing need no more either."""
    segments = read_segments(guarded, filled.drops[-1].drop_id)
    shopper = pick_shopper(filled.seed.contacts, segments, policy=POLICY, region="NY")
    request = checkout(shopper.customer_id, country="US", region="NY", session_id="e2e")

    decided = guarded.shop.decide(request).body

    assert decided["degraded"] is False
    paths = (
        f"decisions/{decided['decision_id']}",
        f"customers/{shopper.customer_id}",
        "messages",
        "drops",
    )
    for path in paths:
        assert guarded.shop.call("GET", f"/v1/{path}").status == 200
    link = re.search(r"(/u/\S+)", filled.mails[0].text)
    assert link is not None
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    body = b"List-Unsubscribe=One-Click"
    assert guarded.shop.call("POST", link[1], body=body, headers=form).status == 200


def test_a_file_that_is_refused_half_way_is_taken_away(guarded: Venue, filled: Filled) -> None:
    """What parts of it have left is listed and deleted, which one function may and no other."""
    rows = f"customer_id,{','.join(FEATURE_NAMES)}\n" + "c-1,1,1,1,1,1\n" * 600
    file = SeedFile("features/bad.csv", rows.encode() + b"c-\xff,1,1,1,1,1\n", 601)
    drop_id, _ = put_file(guarded, file)

    assert await_drop(guarded, drop_id, file, Telling()).state == "REJECTED"

    def left() -> list[str] | None:
        listed = guarded.session.client("s3").list_objects_v2(
            Bucket=guarded.outputs["ResultsBucket"], Prefix=f"results/{drop_id}/"
        )
        names = [each["Key"].rpartition("/")[2] for each in listed.get("Contents", ())]
        return names if names == ["summary.json"] else None

    eventually(left, within_seconds=60, what="a summary alone")


def test_the_console_shows_its_pages(guarded: Venue, filled: Filled) -> None:
    """Signed in behind the stage's prefix: every page, a rejected row, a replay, a switch."""
    bad = SeedFile("orders/bad.csv", BAD_ORDERS, 1)
    drop_id, _ = put_file(guarded, bad)
    await_drop(guarded, drop_id, bad, Telling())
    clicks = _entered(guarded, *SCOPES)

    overview = clicks.page(clicks.home)
    for address in (*overview.all("a", "href")[1:], *overview.all("script", "src")):
        assert address.startswith(clicks.home)
        assert clicks.ask("GET", address)[0] == 200, address
    mail = next(each for each in filled.books.effects if each.kind == "mail")
    customer_id = mail.subject_key.removeprefix("c#")
    assert "Mail" in clicks.page(f"{clicks.home}/customers/{customer_id}").text
    assert "no-such-amount" in clicks.page(f"{clicks.home}/drops/{drop_id}").text
    assert clicks.ask("GET", f"{clicks.home}/drops/{drop_id}/rejects")[0] == 200
    decision = clicks.page(f"{clicks.home}/decisions/{mail.decision_id}")
    assert "The same, to the byte." in clicks.submit(decision, "/replay")[2]
    for stands in ("on", "off"):
        switch = clicks.page(f"{clicks.home}/switches/offers")
        assert f"Offers: {stands}" in switch.text
        assert clicks.submit(switch, "/switches/offers")[0] == 303


def test_codes_are_used_refused_and_taken_back(guarded: Venue, filled: Filled) -> None:
    """Code, budget, order and marks are moved by calls, by orders and by a login."""
    offers = [each for each in filled.books.effects if each.kind == "offer"]
    used, passed_on, leaked = (each.payload["offer"]["code"] for each in offers[:3])
    buyer = offers[0].subject_key.removeprefix("c#")
    use = {"customer_id": buyer, "order_id": "e2e-1", "amount": 100, "currency": "USD"}

    def ask(operation: str, code: str, body: dict[str, Any]) -> int:
        return guarded.shop.call("POST", f"/v1/offers/{code}/{operation}", body=body).status

    assert [ask(operation, used, use) for operation in ("reserve", "redeem")] == [200, 200]
    assert ask("revoke", leaked, {"reason": "e2e"}) == 200
    assert ask("revoke", used, {"reason": "e2e"}) == 409
    at = format_instant(int(time.time()))
    messages: list[dict[str, Any]] = [
        # A code that the order cannot have is checked in the write that counts the order.
        {
            "type": "track",
            "event": "Order Completed",
            "properties": {"order_id": "e2e-2", "total": 9, "coupon": passed_on, "discount": 1},
        },
        {"type": "track", "event": "Order Cancelled", "properties": {"order_id": "e2e-1"}},
        {"type": "identify", "anonymousId": "e2e-guest"},
    ]
    guarded.shop.send([{**each, "userId": buyer, "timestamp": at} for each in messages])


def test_what_is_said_of_an_article_reaches_the_catalogue(guarded: Venue, filled: Filled) -> None:
    """From the event through the stream into the article, which the relay alone writes."""
    client = guarded.session.client("dynamodb")
    sku = "e2e-article"
    said = {"sku": sku, "base_price": 20, "floor_price": 15, "currency": "USD", "stock": 7}
    guarded.shop.send([{"type": "track", "event": "Inventory Updated", "properties": said}])

    def stored() -> Any:
        row = client.get_item(
            TableName=guarded.outputs["SignalsTable"], Key=key_of(PRODUCT.key(sku))
        )
        return row.get("Item")

    item = eventually(stored, within_seconds=60, what="the article")
    assert json.loads(item["body"]["S"])["stock"] == 7


def test_the_schedule_finds_what_is_due(guarded: Venue, filled: Filled) -> None:
    """A checkout left alone is found by the index and becomes an abandoned cart."""
    [left] = [
        scene
        for scene in scenes(filled.seed.contacts, now=int(time.time()), policy=POLICY)
        if any(message.get("event") == "Checkout Started" for message in scene.messages)
    ]

    guarded.shop.send(left.messages)

    eventually(
        lambda: any("abandoned" in line for line in _said(guarded, "on_review_due")) or None,
        within_seconds=150,
        what="a review that finds the cart",
    )


def test_a_person_is_copied_and_forgotten(guarded: Venue, filled: Filled) -> None:
    """Consent, export, erasure and the switches reach every table and index that they need."""
    segments = read_segments(guarded, filled.drops[-1].drop_id)
    path = f"/v1/customers/{next(iter(segments))}"
    said = {
        "purpose": "marketing_email",
        "granted": False,
        "basis": "consent",
        "wording": "e2e",
        "source": "e2e",
        "said_at": datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="seconds"),
    }
    off = {"sending": False, "pricing": True, "offers": True}

    assert guarded.shop.call("PUT", f"{path}/consent", body=said).status == 200
    copy = guarded.shop.call("GET", f"{path}/export")
    assert copy.status == 200
    assert copy.body["orders"]
    erased = guarded.shop.call("DELETE", path)
    assert (erased.status, erased.body["state"]) == (200, "ERASED")
    assert guarded.shop.call("GET", path).status == 404
    assert guarded.shop.call("PUT", "/v1/control", body=off).body["agreed"]
    assert guarded.shop.call("GET", "/v1/control").body == {**off, "agreed": True}
    assert guarded.shop.call("PUT", "/v1/control", body={**off, "sending": True}).status == 200


def test_what_became_of_a_mail_is_heard(guarded: Venue, filled: Filled) -> None:
    """From the topic to the ledger, the address and the count, with no more than is granted."""
    mail = next(each for each in filled.books.effects if each.kind == "mail" and each.posts)
    now = int(time.time())
    event = ses_event(
        "bounce", effect_id=mail.effect_id, sent_at=now - 60, timestamp=format_instant(now)
    )

    topic = guarded.outputs["MailEventsTopic"]
    guarded.session.client("sns").publish(TopicArn=topic, Message=json.dumps(event))

    tables = guarded.session.client("dynamodb")

    def bounced() -> bool | None:
        effects = read_books(tables, guarded.outputs).effects
        found = next(each for each in effects if each.effect_id == mail.effect_id)
        return True if found.state == "BOUNCED" else None

    assert eventually(bounced, within_seconds=60, what="a bounce in the ledger")


def test_what_cannot_be_heard_waits_without_an_address(guarded: Venue, filled: Filled) -> None:
    """A row that nobody can read: its event is put aside as a copy, and heard once it is mended."""
    client = guarded.session.client("dynamodb")
    ledger = ledger_of(client, guarded.outputs["EffectsTable"])
    plan: dict[str, Any] = {"kind": "mail", "payload": {"template": "winback"}, "posts": 1}
    name = left_behind(ledger, "damaged", state="ACCEPTED", **plan)
    row = key_of(EFFECT.key(name))
    table = guarded.outputs["EffectsTable"]
    whole = client.get_item(TableName=table, Key=row)["Item"]
    client.put_item(TableName=table, Item={**whole, "body": {"S": "damaged"}})
    now = int(time.time())
    event = ses_event("bounce", effect_id=name, sent_at=now - 60, timestamp=format_instant(now))

    topic = guarded.outputs["MailEventsTopic"]
    guarded.session.client("sns").publish(TopicArn=topic, Message=json.dumps(event))

    def put_aside() -> bool | None:
        lines = [line for line in _said(guarded, "on_mail_event") if name in line]
        return True if any("mail_event_put_aside" in line for line in lines) else None

    assert eventually(put_aside, within_seconds=60, what="a copy")
    client.put_item(TableName=table, Item=whole)
    assert eventually(
        lambda: True if state_of(ledger, name) == "BOUNCED" else None,
        within_seconds=180,
        what="the copy",
    )
    queues = guarded.session.client("sqs")
    assert count_messages(queues, guarded.outputs["MailEventsQueue"]) == 0
    assert count_messages(queues, guarded.outputs["MailEventsDeadLetters"]) == 0


def test_a_night_is_worked_through(guarded: Venue, filled: Filled) -> None:
    """Reading the log, listing it, and leaving state and sums behind need no more."""
    guarded.session.client("sqs").send_message(
        QueueUrl=guarded.outputs["DropsQueue"],
        MessageBody=json.dumps({"detail-type": "Scheduled Event", "source": "aws.events"}),
    )

    for function, word in (("on_drop", "night_worked_through"), ("on_decided", "chronicled")):

        def heard(function: str = function, word: str = word) -> bool | None:
            return any(word in line for line in _said(guarded, function)) or None

        eventually(heard, within_seconds=150, what=word)


def test_an_operator_stores_and_simulates_a_policy_and_resets_the_breaker(
    guarded: Venue, filled: Filled
) -> None:
    """A form writes a job and sends a message; another function reads log and records by key."""
    name = pick_shopper(
        filled.seed.contacts,
        read_segments(guarded, filled.drops[-1].drop_id),
        policy=POLICY,
        region="NY",
    ).customer_id
    guarded.shop.decide(checkout(name, country="US", region="NY", session_id="simulated"))

    def logged() -> bool | None:
        return any("chronicled" in line for line in _said(guarded, "on_decided")) or None

    eventually(logged, within_seconds=150, what="the decision log")
    clicks = _entered(guarded, "operate")
    deeper = TEXT.replace("discount_basis_points = 500", "discount_basis_points = 900")
    listed = clicks.page(f"{clicks.home}/policies")
    page = clicks.page(clicks.submit(listed, "/policies", document=deeper)[1]["location"])
    running = clicks.submit(page, "/simulation", days="2")[1]["location"]

    def simulated() -> bool | None:
        return "Who is treated otherwise" in clicks.page(running).text or None

    eventually(simulated, within_seconds=150, what="a simulation")
    breaker = clicks.page(f"{clicks.home}/breaker")
    assert clicks.submit(breaker, "/breaker", reason="a rehearsal")[0] == 303
    assert "a rehearsal" in clicks.page(clicks.home).text


def test_the_sweep_puts_back_what_stands_still(guarded: Venue) -> None:
    """Finding, reading, queuing and noting need no more, and a worker then performs it."""
    client = guarded.session.client("dynamodb")
    ledger = ledger_of(client, guarded.outputs["EffectsTable"])
    name = left_behind(ledger, "dead", state="CLAIMED")

    assert eventually(
        lambda: True if state_of(ledger, name) == "ACCEPTED" else None,
        within_seconds=150,
        what="a sweep",
    )


def test_nobody_was_refused(guarded: Venue, filled: Filled) -> None:
    """In all of that, no function asked for something that its policy does not grant."""
    names = tuple(NAMES.values())
    refused = {
        name: sorted({match[0] for line in _said(guarded, name) for match in DENIED.finditer(line)})
        for name in names
    }

    assert refused == {name: [] for name in names}


def _entered(venue: Venue, *scopes: str) -> Clicks:
    """The console, with an operator's new key signed in."""
    client = venue.session.client("dynamodb")
    store = key_store(client, control_table=venue.outputs["ControlTable"])
    key = create_key(store, scopes=scopes, now=int(time.time())).text
    clicks = Clicks(venue.shop.public_url)
    entrance = clicks.page(f"{clicks.home}/sign-in")
    status, headers, _ = clicks.submit(entrance, "/sign-in", key=key)
    assert (status, headers["location"]) == (303, clicks.home)
    assert f"Path={clicks.home};" in headers["set-cookie"]
    return clicks


def _judgeable(package: Package, directory: Path) -> Package:
    template = json.loads(package.template_path.read_text())
    resources: dict[str, Any] = template["Resources"]
    for name, resource in list(resources.items()):
        document = resource.get("Properties", {}).get("PolicyDocument")
        if document is None:
            continue
        document["Statement"] = [one for one in document["Statement"] if one["Effect"] == "Allow"]
        if not document["Statement"]:
            del resources[name]
    for function in functions_of(template):
        for statement in statements_of(template, function):
            if "ses:SendEmail" in statement["Action"]:
                statement["Resource"] = "*"
                del statement["Condition"]
            if "sqs:SendMessage" in statement["Action"]:
                statement["Action"].append("sqs:SendMessageBatch")
    (directory / "template.json").write_text(json.dumps(template))
    (directory / "deployment.zip").symlink_to(package.zip_path)
    return replace(package, directory=directory)


def _assumed(venue: Venue, function: str) -> tuple[str, str, str]:
    roles = venue.session.client("cloudformation").describe_stack_resource(
        StackName="segue-dev", LogicalResourceId=f"{function}Role"
    )
    role = roles["StackResourceDetail"]["PhysicalResourceId"]
    sts: Any = venue.session.client("sts")
    answer = sts.assume_role(
        RoleArn=f"arn:aws:iam::000000000000:role/{role}", RoleSessionName="test"
    )["Credentials"]
    return answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"]


def _said(venue: Venue, function: str) -> list[str]:
    logs: Any = venue.session.client("logs")
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=f"/segue/dev/{function}")
    return [event["message"] for page in pages for event in page["events"]]
