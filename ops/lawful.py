"""What a customer sees of the law in each channel: the API's answer, a mail's text and its HTML.

The customer is always the same, whom the policy wants to win back with a price and an offer; what
differs is where they are and when. ``asked_by_law`` is an oracle of its own: it reads the rows of
the table as they are written down.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from functools import cached_property
from html.parser import HTMLParser
from typing import Any

from chalicelib.core.address import address_hash
from chalicelib.core.answer import build_answer
from chalicelib.core.catalogue import Product
from chalicelib.core.contact import Contact, Stamped
from chalicelib.core.control import Switches
from chalicelib.core.decide import decide
from chalicelib.core.effects import Effect
from chalicelib.core.facts import CountedOrder, Facts
from chalicelib.core.features import Features
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.law import Jurisdictions
from chalicelib.core.policy import Policy, policy_from_toml
from chalicelib.core.reach import Occasion, reach_out
from chalicelib.core.rules import Rules
from chalicelib.core.scores import Scores
from chalicelib.core.situation import Context, Line, Situation
from chalicelib.core.storage import Found, Put
from chalicelib.core.subject import customer
from chalicelib.core.tokens import SigningKeys
from chalicelib.mail.compose import MailSettings, compose
from ops.places import ROOT

WHO = customer("c-1")
EMAIL = "ada@example.com"
KEYS = SigningKeys("k1", {"k1": b"k" * 32}, b"a" * 32, b"c" * 32)
MUG = Product("MUG", "USD", base_price_minor=2000, floor_minor=1500)
STRICTNESS = ("allow", "disclose", "discount_only", "ban")


class Lapsing:
    """A scorer that finds everybody about to lapse, and counts how often it is asked."""

    name = "lapsing-1.0.0"
    hash = "sha256:lapsing"
    currency = "USD"
    segments = ("at_risk",)

    def __init__(self) -> None:
        """Begin uncounted."""
        self.asked = 0

    def score(self, features: Features) -> Scores:
        """The same for everybody."""
        del features
        self.asked += 1
        return Scores("at_risk", 0.9, 0.1, self.name)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a customer is."""

    country: str
    region: str | None


@dataclass(frozen=True, slots=True)
class Ordered:
    """What the law asks: the mode, None where no row applies, and the exact texts."""

    mode: str | None
    texts: tuple[str, ...]

    @property
    def is_personal(self) -> bool:
        """Whether there is a personal price."""
        return self.mode not in (None, "ban")


def written_rows() -> list[dict[str, Any]]:
    """The table's rows as they stand in the file."""
    text = (ROOT / "policies" / "jurisdictions.toml").read_text()
    rows: list[dict[str, Any]] = tomllib.loads(text)["rows"]
    return rows


def asked_by_law(
    rows: Sequence[Mapping[str, Any]], place: Place, on: date, *, operator: str = "discount_only"
) -> Ordered:
    """What these rows ask at a place on a day."""
    matching = []
    for row in rows:
        here = place.country in row["countries"]
        if row.get("regions") and place.region is not None:
            here = here and place.region in row["regions"]
        if here and row.get("enabled", True) and row["since"] <= on <= row.get("until", date.max):
            matching.append(row)
    if not matching:
        return Ordered(None, ())
    strictest = max(STRICTNESS.index(each) for each in (operator, *(r["mode"] for r in matching)))
    texts: list[str] = []
    for row in matching:
        if row.get("disclosure") and row["disclosure"] not in texts:
            texts.append(row["disclosure"])
    mode = STRICTNESS[strictest]
    return Ordered(mode, () if mode == "ban" else tuple(texts))


def edges(row: Mapping[str, Any]) -> Iterator[date]:
    """The days before, on and after each end of a row."""
    for end in (row["since"], row.get("until")):
        if end is not None:
            yield from (
                end + timedelta(days) for days in (-1, 0, 1) if end.year > 1970 or days >= 0
            )


def places(row: Mapping[str, Any]) -> Iterator[Place]:
    """Everywhere that a row applies, the next region, and a customer whose region nobody named."""
    for country in row["countries"]:
        for region in (*row.get("regions", ()), "ZZ", None):
            yield Place(country, region)


def moments(day: date) -> tuple[int, int]:
    """The first and the last second of a day."""
    first = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
    return first, first + DAY_SECONDS - 1


@dataclass(frozen=True)
class Shown:
    """What one customer is shown at one moment."""

    place: Place
    at: int
    rules: Rules
    signals: Mapping[str, Any]

    @cached_property
    def answer(self) -> dict[str, Any]:
        """The answer to a checkout."""
        situation = Situation(
            decision_id="d_1",
            subject=WHO,
            placement="checkout",
            as_of=self.at,
            context=Context(self.place.country, self.place.region, "USD", "s-1", **self.signals),
            lines=(Line("MUG", 1, 2000),),
            facts=lapsed(self.at),
            products={"MUG": MUG},
        )
        decision = decide(
            situation,
            policy=self.rules.policy,
            jurisdictions=self.rules.jurisdictions,
            scorer=self.rules.scorer,
            code_for=lambda effect: effect[:12],
        )
        return build_answer(situation, decision, policy_hash=self.rules.policy.hash, keys=KEYS)

    @cached_property
    def mail(self) -> Letter | None:
        """The mail with an offer that is planned and sent in this moment."""
        said = {"email": EMAIL, "country": self.place.country, "region": self.place.region}
        fields = {name: Stamped(value, 1) for name, value in said.items() if value is not None}
        fields["consent_marketing_email"] = Stamped(value=True, at=1)
        contact = Contact(WHO, fields=fields)
        occasion = Occasion("d_2", "mail", "segment_changed", self.at, "r-1")
        _, writes = reach_out(
            lapsed(self.at),
            contact,
            Found({}, now=self.at),
            occasion=occasion,
            switches=Switches(),
            rules=self.rules,
            keys=KEYS,
            now=self.at,
        )
        planned = [w.value for w in writes if isinstance(w, Put) and isinstance(w.value, Effect)]
        offering = [each for each in planned if each.kind == "mail" and "offer" in each.payload]
        return _letter(offering[0], contact, self.at, self.rules) if offering else None


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail as a mail program takes it apart: lines of text, and pieces of visible HTML."""

    lines: tuple[str, ...]
    pieces: tuple[str, ...]


def _letter(effect: Effect, contact: Contact, now: int, rules: Rules) -> Letter:
    raw = compose(
        effect,
        contact=contact,
        address_hash=address_hash(EMAIL, secret=KEYS.address_secret),
        product=None,
        settings=MailSettings(
            sender="Example Shop <shop@example.com>",
            postal_address="1 Example Street, Springfield",
            public_url="https://api.shop.example/api",
            currency="USD",
            jurisdictions=rules.jurisdictions,
        ),
        keys=KEYS,
        now=now,
    ).raw
    message = message_from_bytes(raw, policy=default)
    parts = {part.get_content_type(): part.get_content() for part in message.iter_parts()}
    pieces = _Pieces()
    pieces.feed(parts["text/html"])
    return Letter(tuple(parts["text/plain"].splitlines()), tuple(pieces.found))


class _Pieces(HTMLParser):
    """What stands between two tags, style sheets aside."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._hidden = False

    def handle_starttag(self, tag: str, attrs: object) -> None:
        """Styles are nothing that anybody reads."""
        del attrs
        self._hidden = tag in ("style", "title")

    def handle_data(self, data: str) -> None:
        """One piece."""
        if data.strip() and not self._hidden:
            self.found.append(data.strip())


def lapsed(now: int, *, kind: type[Facts] = Facts) -> Facts:
    """A customer who has bought three times, and not of late."""
    orders = tuple(
        CountedOrder(now - days * DAY_SECONDS, f"{days:08}", 3000, "USD")
        for days in (160, 130, 100)
    )
    return kind(WHO, recent=orders)


def rules_of(rows: Sequence[Mapping[str, Any]]) -> Rules:
    """The shipped policy without a holdout, under these rows of law."""
    policy: Policy = policy_from_toml((ROOT / "policies" / "default.toml").read_text())
    nobody = policy.holdout.model_copy(update={"share_percent": 0.0})
    table = Jurisdictions.model_validate({"rows": rows})
    return Rules(policy.model_copy(update={"holdout": nobody}), table, "sha256:law", Lapsing())


def flags(rows: Sequence[Mapping[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """The table as it ships, and with each of its flags turned over."""
    yield [dict(row) for row in rows]
    for number, row in enumerate(rows):
        if "enabled" in row:
            turned = [dict(each) for each in rows]
            turned[number] = {**turned[number], "enabled": not row["enabled"]}
            yield turned
