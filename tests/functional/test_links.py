"""The link of a mail as scanners, mail programs and forgers use it, through the whole API.

Figures: 1,000 visits of a scanner change nothing; of 100,000 forged tokens 0 are accepted.
"""

from __future__ import annotations

import base64
import json
import string
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from random import Random
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

import app as segue
from chalicelib.core.canonical import keyed_digest
from chalicelib.core.kinds import ADDRESS, CONTACT, EFFECT
from chalicelib.core.storage import WHATEVER, Put
from chalicelib.core.subject import customer
from chalicelib.core.tokens import SigningKeys, sign
from chalicelib.flows.unsubscribe import act_on, show
from chalicelib.mail.compose import UNSUBSCRIBE
from tests.fakes import SIGNING_KEYS, MemoryStore
from tests.mail_makers import EMAIL, NOW, contact_of, hash_of, mail_effect, parse, world_with_a_mail
from tests.storefront import Storefront, open_storefront

VISITS = 1_000
FORGERIES = 100_000
DAY_SECONDS = 86_400
LETTERS = string.ascii_letters + string.digits + "-_"
PAYLOAD = {"a": hash_of(EMAIL), "p": "marketing_email", "e": "1" * 32}
TOKEN = sign(SIGNING_KEYS, purpose=UNSUBSCRIBE, payload=PAYLOAD)
ROTATED = SigningKeys(
    "k2",
    {**SIGNING_KEYS.keys, "k2": b"2" * 32},
    SIGNING_KEYS.address_secret,
    SIGNING_KEYS.coupon_secret,
)


@pytest.fixture
def shop() -> Iterator[Storefront]:
    """A shop that has mailed c-1."""
    with open_storefront() as storefront:
        contact = contact_of(customer("c-1"))
        effect = mail_effect("1" * 32)
        storefront.store.write(
            [
                Put(CONTACT.key(contact.subject.key), contact, WHATEVER),
                Put(EFFECT.key(effect.effect_id), effect, WHATEVER),
            ],
            now=NOW,
        )
        yield storefront


def visit(method: str, query: str, headers: Mapping[str, str], body: str | None) -> int:
    """Call the function as API Gateway does with any method; returns the status."""
    said = dict(parse_qsl(query, keep_blank_values=True))
    event = {
        "resource": "/u/{token}",
        "path": f"/u/{TOKEN}",
        "httpMethod": method,
        "headers": dict(headers),
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": said or None,
        "multiValueQueryStringParameters": {name: [value] for name, value in said.items()} or None,
        "pathParameters": {"token": TOKEN},
        "stageVariables": None,
        "requestContext": {
            "resourcePath": "/u/{token}",
            "httpMethod": method,
            "requestId": "7a0c2f9e-5a2b-4f3a-9a43-4b1c4e9c2d11",
            "identity": {"sourceIp": "192.0.2.1"},
        },
        "body": body,
        "isBase64Encoded": False,
    }
    status: int = segue.app(event, None)["statusCode"]
    return status


def test_a_thousand_scanner_visits_change_nothing(shop: Storefront) -> None:
    """GET, HEAD and OPTIONS, with any query, cookie or prefetch header: storage is not touched.

    Nor does a visit with a body, or with the words of the one-click form in its address.
    """
    chance = Random(8058)  # noqa: S311  (a seed, not a secret)
    before = shop.store.dump()
    shop.store.calls.clear()
    statuses: Counter[tuple[str, int]] = Counter()
    for _ in range(VISITS):
        method = chance.choice(["GET", "GET", "GET", "HEAD", "OPTIONS"])
        query = chance.choice(
            [
                "",
                "List-Unsubscribe=One-Click",
                "choice=all",
                "_method=POST&x=" + "".join(chance.choices(LETTERS, k=9)),
                "".join(chance.choices(LETTERS + "&=%", k=20)),
            ]
        )
        headers = {
            "User-Agent": chance.choice(["Mozilla/5.0", "SafeLinks", "curl/8", ""]),
            "Purpose": "prefetch",
            "Cookie": "session=1",
            "X-HTTP-Method-Override": "POST",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        body = chance.choice([None, "List-Unsubscribe=One-Click", "choice=all"])
        statuses[method, visit(method, query, headers, body)] += 1

    assert shop.store.calls == []
    assert shop.store.dump() == before
    assert set(statuses) == {("GET", 200), ("HEAD", 405), ("OPTIONS", 405)}
    assert statuses.total() == VISITS
    assert visit("POST", "", {"Content-Type": "text/plain"}, "") == 200  # the same event acts
    assert shop.store.count("write") == 1


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_only_a_post_acts(shop: Storefront, method: str) -> None:
    """Any other method is refused and touches no storage."""
    shop.store.calls.clear()

    response = shop.call(method, f"/u/{TOKEN}", scopes=None, body=b"choice=all")

    assert response.status_code in (403, 405)
    assert shop.store.calls == []


MULTIPART = (
    b'--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n'
)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/x-www-form-urlencoded", b"List-Unsubscribe=One-Click"),
        ("application/x-www-form-urlencoded; charset=UTF-8", b"List-Unsubscribe=One-Click"),
        ("multipart/form-data; boundary=b", MULTIPART),
        ("application/octet-stream", b"\x00\xff"),
        ("text/plain", b""),
    ],
)
def test_a_post_without_cookies_acts_and_may_be_repeated(
    shop: Storefront, content_type: str, body: bytes
) -> None:
    """RFC 8058: either kind of form, no cookie, no key, no redirect; again it is the same."""
    headers = {"Content-Type": content_type}

    answers = [
        shop.call("POST", f"/u/{TOKEN}", scopes=None, headers=headers, body=body) for _ in range(3)
    ]

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1
    assert not any("location" in map(str.lower, answer.headers) for answer in answers)
    assert not any("set-cookie" in map(str.lower, answer.headers) for answer in answers)
    state = shop.store.one(ADDRESS.key(hash_of(EMAIL)))
    assert state is not None
    assert list(state.withdrawn) == ["marketing_email"]
    assert len(shop.store.all("consent")) == 1


@pytest.mark.parametrize("days", [1, 400, 4000])
def test_a_link_works_for_as_long_as_the_mail_lies_somewhere(shop: Storefront, days: int) -> None:
    """400 days on, with the signing key rotated meanwhile, it unsubscribes and is respected."""
    shop.clock.forward(days * DAY_SECONDS)
    shop.signing.keys = ROTATED

    response = shop.call("POST", f"/u/{TOKEN}", scopes=None)

    assert response.status_code == 200
    consent = shop.call("GET", "/v1/customers/c-1").json_body["consent"]
    assert consent["marketing_email"]["granted"] is False


def test_the_link_names_nobody() -> None:
    """Whoever reads the token finds no address, no name and no customer id in it."""
    world = world_with_a_mail()
    world.act()
    link: str = parse(world.mailer.sent[0].raw).message["List-Unsubscribe"].strip("<>")
    body = urlsplit(link).path.rpartition("/")[2].split(".")[1]

    said = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))

    assert set(said) == {"a", "p", "e"}
    assert "ada" not in json.dumps(said).lower()
    assert "c-1" not in json.dumps(said)


# --- forgers --------------------------------------------------------------------------------------


def encoded(data: bytes) -> str:
    """Base64url without padding, as tokens have it."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def named_forgeries() -> dict[str, str]:
    """Tokens that we did not sign, or not for this."""
    head, _, signature = TOKEN.rpartition(".")
    stranger = SigningKeys("k1", {"k1": b"x" * 32}, b"a" * 32, b"c" * 32)
    payload = {"a": hash_of(EMAIL), "p": "marketing_email"}
    none = encoded(b'{"alg":"none"}')
    return {
        "empty": "",
        "cut off": TOKEN[:-1],
        "altered": f"{head}.{signature[::-1]}",
        "another key": sign(stranger, purpose=UNSUBSCRIBE, payload=payload),
        "another purpose": sign(SIGNING_KEYS, purpose="quote", payload=payload),
        "no address": sign(SIGNING_KEYS, purpose=UNSUBSCRIBE, payload={"p": "marketing_email"}),
        "odd address": sign(
            SIGNING_KEYS, purpose=UNSUBSCRIBE, payload={**payload, "a": "../../etc"}
        ),
        "odd purpose": sign(SIGNING_KEYS, purpose=UNSUBSCRIBE, payload={**payload, "p": "all"}),
        "not ASCII": "k1.ü.é",
        "no algorithm": f"{none}.{head.split('.')[1]}.",
        "no signature": f"{head}.",
        "padded": f"{TOKEN}==",
        "twice": f"{TOKEN}.{TOKEN}",
    }


@pytest.mark.parametrize("token", named_forgeries().values(), ids=named_forgeries().keys())
def test_a_forged_link_does_nothing(token: str) -> None:
    """Whatever is wrong with it, the answer is the same page, and storage is not touched."""
    store = MemoryStore()

    shown = show(token, keys=SIGNING_KEYS)
    acted = act_on(token, store=store, keys=SIGNING_KEYS, now=NOW)

    assert shown.status == acted.status == 404
    assert shown.html == acted.html
    assert "This link does not work" in shown.html
    assert store.calls == []


@given(st.text(max_size=80))
def test_no_guess_is_a_token(guess: str) -> None:
    """For any text: it is not taken for a token, and nothing but a page comes of it."""
    assert show(guess, keys=SIGNING_KEYS).status == 404


class Forger:
    """Makes tokens that were never signed for this, from some that were."""

    def __init__(self, chance: Random) -> None:
        """Take the source of chance."""
        self.chance = chance
        self.kid, self.body, self.signature = TOKEN.split(".")
        self.others = [
            sign(SIGNING_KEYS, purpose=purpose, payload={**PAYLOAD, "a": f"{number:040x}"})
            for number in range(50)
            for purpose in (UNSUBSCRIBE, "quote", "mail_list")
        ]
        self.genuine = {TOKEN, *self.others[::3]}

    def bit_flipped(self) -> str:
        """One bit of the token's text is another."""
        data = bytearray(TOKEN.encode())
        at = self.chance.randrange(len(data))
        data[at] ^= 1 << self.chance.randrange(7)
        return data.decode()

    def body_bit_flipped(self) -> str:
        """One bit of what is signed is another."""
        data = bytearray(base64.urlsafe_b64decode(self.body + "=" * (-len(self.body) % 4)))
        data[self.chance.randrange(len(data))] ^= 1 << self.chance.randrange(8)
        return f"{self.kid}.{encoded(bytes(data))}.{self.signature}"

    def another_address(self) -> str:
        """Somebody else's address under a signature that is good for ours."""
        payload = {**PAYLOAD, "a": f"{self.chance.getrandbits(160):040x}"}
        return f"{self.kid}.{encoded(json.dumps(payload).encode())}.{self.signature}"

    def swapped(self) -> str:
        """The body of one genuine token with the signature of another."""
        one, two = self.chance.sample(self.others, 2)
        return f"{one.rpartition('.')[0]}.{two.rpartition('.')[2]}"

    def another_purpose(self) -> str:
        """A token that we signed for a quote or a page of a list."""
        return self.chance.choice([t for t in self.others if t not in self.genuine])

    def another_key_id(self) -> str:
        """Ours under another key's name, known or not."""
        kid = self.chance.choice(["k2", "k0", "k", "", "K1", f"k{self.chance.randrange(10**6)}"])
        return f"{kid}.{self.body}.{self.signature}"

    def wrong_key(self) -> str:
        """Well made, with a key of the forger's."""
        key = self.chance.randbytes(32)
        body = encoded(
            json.dumps({**PAYLOAD, "a": f"{self.chance.getrandbits(160):040x}"}).encode()
        )
        head = f"{self.kid}.{body}"
        digest = keyed_digest(key, f"{UNSUBSCRIBE}:{head}".encode())
        return f"{head}.{encoded(digest[:16])}"

    def truncated(self) -> str:
        """Cut off anywhere."""
        return TOKEN[: self.chance.randrange(len(TOKEN))]

    def lengthened(self) -> str:
        """With something after it."""
        return TOKEN + "".join(self.chance.choices(LETTERS + ".=", k=self.chance.randrange(1, 9)))

    def guessed(self) -> str:
        """Any signature."""
        guess = "".join(self.chance.choices(LETTERS, k=len(self.signature)))
        return f"{self.kid}.{self.body}.{guess}"


WAYS: tuple[Callable[[Forger], str], ...] = (
    Forger.bit_flipped, Forger.body_bit_flipped, Forger.another_address, Forger.swapped,
    Forger.another_purpose, Forger.another_key_id, Forger.wrong_key, Forger.truncated,
    Forger.lengthened, Forger.guessed,
)  # fmt: skip


@pytest.mark.slow
def test_of_a_hundred_thousand_forged_tokens_none_is_accepted() -> None:
    """Ten ways to forge, ten thousand tokens each, while two keys verify: 0 accepted."""
    forger = Forger(Random(4711))  # noqa: S311  (a seed, not a secret)
    store = MemoryStore()
    tried = accepted = 0
    for number in range(FORGERIES):
        token = WAYS[number % len(WAYS)](forger)
        if token in forger.genuine:
            token = forger.truncated()  # swapping a token with itself forges nothing
        tried += 1
        accepted += act_on(token, store=store, keys=ROTATED, now=NOW).status != 404

    assert (tried, accepted) == (FORGERIES, 0)
    assert store.calls == []
    assert act_on(TOKEN, store=store, keys=ROTATED, now=NOW).status == 200
