"""What a shop, a reader of mails and a stranger say to the API, with canaries."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from chalicelib.core.instants import format_instant
from chalicelib.core.kinds import CONTACT, EFFECT
from chalicelib.core.tokens import sign
from chalicelib.mail.compose import UNSUBSCRIBE
from tests.canaries.words import CANARY, DOMAIN, NAME, error, spoil, word
from tests.canaries.zoo import Zoo
from tests.fakes import SIGNING_KEYS
from tests.mail_makers import contact_of, hash_of, mail_effect
from tests.makers import DAY_SECONDS, identify, order_event, track
from tests.storefront import MUGS, TEXAS
from tests.unit.core.situations import NOW


def events(zoo: Zoo) -> None:
    """Messages of all kinds, perhaps under an Idempotency-Key that is a canary."""
    name = zoo.name()
    at = NOW - zoo.chance.randrange(10**7)
    batch = [
        identify(
            user=name,
            visitor=f"{name}-guest",
            email=f"{name}@{DOMAIN}",
            firstName=NAME,
            consent_marketing_email=True,
            consent_profiling=zoo.chance.random() < 0.8,
            at=at,
        ),
        track("Product Viewed", user=name, sku=f"{name}-sku", at=at),
        order_event("Order Completed", f"{name}-o", user=name, total=30, at=at),
        order_event("Order Refunded", f"{name}-o", user=name, total=3, at=at),
        track("Checkout Started", visitor=f"{name}-guest", at=at, note=name),
    ]
    body: dict[str, Any] = {"batch": zoo.chance.sample(batch, zoo.chance.randrange(1, 6))}
    key = {"Idempotency-Key": f"{CANARY}-{zoo.chance.randrange(99)}"}
    headers = key if zoo.chance.random() < 0.3 else {}
    zoo.call("POST", "/v1/events", spoil(body, zoo.chance, 0.08), headers)


def buyer(zoo: Zoo) -> None:
    """A buyer of a hundred days ago who is shown a price and a code: nothing is spoilt."""
    name, at = f"{zoo.name()}-buyer", NOW - 100 * DAY_SECONDS
    batch = [
        identify(
            user=name, email=f"{name}@{DOMAIN}", firstName=NAME, consent_marketing_email=True, at=at
        ),
        order_event("Order Completed", f"{name}-old", user=name, total=30, at=at),
    ]
    zoo.memory.mend()
    zoo.call("POST", "/v1/events", {"batch": batch}, breaks=False)
    asked = {"customer_id": name, "context": {**TEXAS, "session_id": f"{name}-s"}, "cart": MUGS}
    zoo.call("POST", "/v1/decisions", asked, breaks=False)


def checkout(zoo: Zoo) -> None:
    """A checkout with canaries, perhaps with an Idempotency-Key that is one."""
    body = {
        "customer_id": zoo.name(),
        "placement": "checkout",
        "context": {**TEXAS, "session_id": f"{CANARY}-s"},
        "cart": MUGS,
    }
    headers = {"Idempotency-Key": f"{CANARY}-{zoo.chance.randrange(99)}"}
    spoilt = spoil(body, zoo.chance, 0.06)
    zoo.call("POST", "/v1/decisions", spoilt, headers if zoo.chance.random() < 0.4 else {})


def offer(zoo: Zoo) -> None:
    """A code locked, used and given free by carts and customers that are canaries."""
    codes = [each.offer.code for each in zoo.memory.all("coupon").values()]
    code = zoo.chance.choice([*codes, CANARY, f"{CANARY}@example.com"])
    owners = [each.subject_key.removeprefix("c#") for each in zoo.memory.all("coupon").values()]
    operation = zoo.chance.choice(["reserve", "redeem", "release"])
    body = {
        "customer_id": zoo.chance.choice([*owners, zoo.name()]),
        "order_id": f"{CANARY}-cart-{zoo.chance.randrange(9)}",
        **({} if operation == "release" else {"amount": 200, "currency": "USD"}),
    }
    headers = {"Idempotency-Key": f"{CANARY}-{zoo.chance.randrange(99)}"}
    path = f"/v1/offers/{quote(code)}/{operation}"
    spoilt = spoil(body, zoo.chance, 0.06)
    zoo.call("POST", path, spoilt, headers if zoo.chance.random() < 0.5 else {})


def revoke(zoo: Zoo) -> None:
    """A code taken back for a reason that names somebody."""
    codes = [each.offer.code for each in zoo.memory.all("coupon").values()]
    code = zoo.chance.choice([*codes, CANARY])
    body = spoil({"reason": f"{CANARY}-{zoo.chance.randrange(5)}"}, zoo.chance, 0.06)
    headers = {"Idempotency-Key": f"{CANARY}-{zoo.chance.randrange(99)}"}
    sent = headers if zoo.chance.random() < 0.5 else {}
    zoo.call("POST", f"/v1/offers/{quote(code)}/revoke", body, sent)


def policies(zoo: Zoo) -> None:
    """A policy that is none, one that is named after somebody, and figures that are canaries."""
    named = zoo.chance.choice([CANARY, "sha256:" + "0" * 64])
    method, path, body = zoo.chance.choice(
        [
            ("POST", "/v1/policies", {"name": CANARY, CANARY: str(word(zoo.chance))}),
            ("POST", "/v1/policies", zoo.shop.rules.policy.model_dump(mode="json")),
            ("GET", "/v1/policies", None),
            ("GET", f"/v1/policies/{named}", None),
            ("POST", f"/v1/policies/{named}/activate", {}),
            ("POST", f"/v1/policies/{named}/simulations", {"subject": CANARY, "figures": {}}),
        ]
    )
    zoo.call(method, path, None if body is None else spoil(body, zoo.chance, 0.06))


def look_up(zoo: Zoo) -> None:
    """Paths and queries that hold canaries."""
    name = zoo.name()
    records = [key.removeprefix("d#") for key in zoo.memory.all("record")]
    decision = zoo.chance.choice([*records, name])
    method, path = zoo.chance.choice(
        [
            ("GET", f"/v1/customers/{name}"),
            ("GET", f"/v1/decisions/{decision}"),
            ("POST", f"/v1/decisions/{decision}/replay"),
            ("POST", f"/v1/decisions/{decision}/review"),
            ("GET", f"/v1/drops/{name}"),
            ("GET", f"/v1/{name}"),
            ("PATCH", f"/v1/customers/{name}"),
        ]
    )
    query = {CANARY: CANARY, "q": str(word(zoo.chance))}
    zoo.call(method, f"{path}?{urlencode(query)}")


def export(zoo: Zoo) -> None:
    """A copy of everything of somebody."""
    zoo.call("GET", f"/v1/customers/{zoo.name()}/export")


def erase(zoo: Zoo) -> None:
    """Somebody forgotten, or nobody."""
    zoo.call("DELETE", f"/v1/customers/{zoo.name()}")


def list_mails(zoo: Zoo) -> None:
    """The list of mails, asked for rightly and wrongly."""
    query = {
        "state": zoo.chance.choice(["ACCEPTED", "not_sent", CANARY]),
        "format": zoo.chance.choice(["csv", "json", CANARY]),
        "cursor": zoo.chance.choice(["", CANARY, f"k1.{CANARY}.{CANARY}"]),
        "limit": zoo.chance.choice(["5", CANARY]),
    }
    asked = {name: value for name, value in query.items() if zoo.chance.random() < 0.5}
    zoo.call("GET", f"/v1/messages?{urlencode(asked)}")


def consent(zoo: Zoo) -> None:
    """A statement with canaries."""
    said = {
        "purpose": zoo.chance.choice(["marketing_email", "profiling"]),
        "granted": zoo.chance.random() < 0.5,
        "basis": "consent",
        "wording": f"{CANARY}-{zoo.chance.randrange(5)}",
        "source": f"{CANARY}-form",
        "said_at": format_instant(NOW - zoo.chance.randrange(10**6)),
        "address_confirmed": zoo.chance.random() < 0.3,
    }
    zoo.call("PUT", f"/v1/customers/{zoo.name()}/consent", spoil(said, zoo.chance, 0.06))


def control(zoo: Zoo) -> None:
    """Switches, all on in the end, and bodies that are none."""
    body = {"sending": True, "pricing": True, "offers": True}
    zoo.call("PUT", "/v1/control", spoil(body, zoo.chance, 0.1))
    zoo.call("GET", f"/v1/control?{CANARY}={CANARY}")


def verify_quote(zoo: Zoo) -> None:
    """A quote that is a canary, or was signed for something else."""
    token = sign(SIGNING_KEYS, purpose=UNSUBSCRIBE, payload={"a": CANARY})
    body = {"quote": zoo.chance.choice([CANARY, token, f"{CANARY}.{CANARY}.{CANARY}"])}
    zoo.call("POST", "/v1/quotes/verify", spoil(body, zoo.chance))


def unsubscribe(zoo: Zoo) -> None:
    """A link of a mail to a canary, followed, pressed, or made up."""
    effect_id, email = f"{zoo.chance.randrange(10**9):032x}", f"{zoo.name()}@{DOMAIN}"
    contact = contact_of(email=email, first_name=NAME)
    zoo.knows(CONTACT.key(contact.subject.key), contact)
    zoo.knows(EFFECT.key(effect_id), mail_effect(effect_id))
    payload = {"a": hash_of(email), "p": "marketing_email", "e": effect_id}
    token = sign(SIGNING_KEYS, purpose=UNSUBSCRIBE, payload=payload)
    path = zoo.chance.choice([f"/u/{token}", f"/u/{token}?{CANARY}", f"/u/{CANARY}"])
    body = urlencode({"choice": zoo.chance.choice(["all", "profiling", CANARY]), CANARY: CANARY})
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    method = zoo.chance.choice(["GET", "POST", "POST"])
    zoo.call(method, path, body.encode(), headers)


def open_routes(zoo: Zoo) -> None:
    """Routes that stand open, with a canary wherever one fits."""
    path = zoo.chance.choice(["/v1/health", "/v1/openapi.json"])
    zoo.call("GET", f"{path}?{CANARY}={CANARY}")


def stranger(zoo: Zoo) -> None:
    """A key that is a canary, or one that cannot be looked up."""
    if zoo.chance.random() < 0.5:
        zoo.shop.keyring.fail_reads(error(zoo.chance))
    key = zoo.chance.choice(
        [f"segue_{CANARY}_{CANARY}", f"segue_{'a' * 12}_{CANARY * 7}x", CANARY, ""]
    )
    headers = {"Authorization": f"Bearer {key}", **zoo.headers()}
    zoo.shop.call("GET", f"/v1/customers/{CANARY}", scopes=None, headers=headers)
    zoo.shop.keyring.mend()


CALLS = (
    events, events, buyer, checkout, checkout, offer, offer, revoke, look_up, export, erase,
    list_mails, policies, consent, control, verify_quote, unsubscribe, open_routes, stranger,
)  # fmt: skip
