"""How a customer can be reached and what they agreed to; each field knows when it was said.

Fields join one by one: the later statement wins; of two at one moment the greater value does, and
a no beats a yes. So the order of arrival does not matter. Columns of ``customers/`` files that are
no contact field are supplied features and stand apart from folded facts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from chalicelib.core.errors import BadInput
from chalicelib.core.subject import Subject

PURPOSES = ("transactional", "marketing_email", "profiling", "personalised_pricing")
MAIL_PURPOSES = ("transactional", "marketing_email")
TEXT_FIELDS = ("email", "first_name", "country", "region", "time_zone")
CONSENT_PREFIX = "consent_"
LONGEST_TEXT = 320  # the longest address that SMTP can carry (RFC 5321, 64 + 1 + 255)
MOST_SUPPLIED = 64
_COUNTRY = re.compile(r"[A-Z]{2}\Z")
_REGION = re.compile(r"[A-Z0-9]{1,3}\Z")
# Shape only; whether the mail system can use the address is settled when it is sent to.
_EMAIL = re.compile(r"[^@\s\x00-\x1f<>\",;:]+@[^@\s\x00-\x1f<>\",;:]+\.[^@\s.]+\Z")
_TIME_ZONE = re.compile(r"[A-Za-z_]+(/[A-Za-z0-9_+\-]+){0,2}\Z")
_SUPPLIED_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}\Z")

_SHAPES = {
    "email": (_EMAIL, "must be one e-mail address such as name@example.com"),
    "country": (_COUNTRY, "must be an ISO 3166-1 alpha-2 code such as US"),
    "region": (_REGION, "must be the subdivision part of ISO 3166-2, such as NY"),
    "time_zone": (_TIME_ZONE, "must be an IANA time zone such as Europe/Berlin"),
}

Scalar = str | float | bool


class Stamped(NamedTuple):
    """A value and the moment it was said."""

    value: Any
    at: int


@dataclass(frozen=True, slots=True)
class ContactChange:
    """What one message or row says: contact fields, consents and supplied features."""

    fields: Mapping[str, Stamped] = field(default_factory=dict)
    supplied: Mapping[str, Stamped] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Contact:
    """Everything ever said, joined field by field; consents are fields ``consent_<purpose>``.

    Attributes:
        subject: who said it.
        fields: contact fields and consents.
        supplied: what the shop supplies besides.
        address_hash: the keyed hash of their e-mail address, by which the account is found;
            ``groups.addressed`` keeps it up to date with every save.
    """

    subject: Subject
    fields: Mapping[str, Stamped] = field(default_factory=dict)
    supplied: Mapping[str, Stamped] = field(default_factory=dict)
    address_hash: str | None = None

    def text(self, name: str) -> str | None:
        """The value of a text field, None when it was never said."""
        stamped = self.fields.get(name)
        return None if stamped is None else stamped.value

    def consent(self, purpose: str) -> bool | None:
        """True or False as last said, None when the customer never said."""
        stamped = self.fields.get(CONSENT_PREFIX + purpose)
        return None if stamped is None else bool(stamped.value)

    def agreed_at(self, purpose: str) -> int | None:
        """When the customer said yes, None where the last word is another or there is none."""
        stamped = self.fields.get(CONSENT_PREFIX + purpose)
        return stamped.at if stamped is not None and stamped.value is True else None

    def refused_at(self, purpose: str) -> int | None:
        """When the customer said no, None where the last word is another or there is none."""
        stamped = self.fields.get(CONSENT_PREFIX + purpose)
        return stamped.at if stamped is not None and stamped.value is False else None


def join_contact(contact: Contact, change: ContactChange | Contact) -> Contact:
    """Join a change; the same change twice, or in another order, gives the same contact.

    Another address has no hash yet: whoever saves it knows the secret.
    """
    joined = Contact(
        contact.subject,
        fields=_join(contact.fields, change.fields),
        supplied=_join(contact.supplied, change.supplied),
    )
    if contact.address_hash is None or joined.text("email") != contact.text("email"):
        return joined
    return replace(joined, address_hash=contact.address_hash)


def _join(ours: Mapping[str, Stamped], theirs: Mapping[str, Stamped]) -> Mapping[str, Stamped]:
    joined = dict(ours)
    for name, said in theirs.items():
        known = joined.get(name)
        if known is None or _rank(said) > _rank(known):
            joined[name] = said
    return joined


def _rank(said: Stamped) -> tuple[int, str]:
    # repr() tells 1 from "1" from True, and "" lies below every repr.
    return said.at, "" if said.value is True else repr(said.value)


def changed_consents(before: Contact | None, after: Contact) -> tuple[tuple[str, Stamped], ...]:
    """The purposes of which something else holds than before, with what was said and when.

    The same word said again is no change, whenever it was said.
    """
    return tuple(
        (purpose, said)
        for purpose in PURPOSES
        if (said := after.fields.get(CONSENT_PREFIX + purpose)) is not None
        and (before is None or before.consent(purpose) is not bool(said.value))
    )


def check_field(name: str, value: object, *, field: str) -> Scalar:
    """Return the value that a contact field stores; raises BadInput naming ``field``."""
    if name.startswith(CONSENT_PREFIX):
        if name.removeprefix(CONSENT_PREFIX) not in PURPOSES:
            raise BadInput.of(field, f"names no purpose; purposes are {', '.join(PURPOSES)}")
        if not isinstance(value, bool):
            raise BadInput.of(field, "must be true or false")
        return value
    if not isinstance(value, str) or not value.isprintable() or not value.strip():
        raise BadInput.of(field, "must be text without control characters")
    if len(value) > LONGEST_TEXT:
        raise BadInput.of(field, f"must be at most {LONGEST_TEXT} characters")
    value = value.strip()
    shape, problem = _SHAPES.get(name, (None, ""))
    if shape is not None and not shape.match(value):
        raise BadInput.of(field, problem)
    return value


def check_supplied(name: str, value: object, *, field: str) -> Scalar:
    """Return the value of a supplied feature; raises BadInput naming ``field``."""
    if not _SUPPLIED_NAME.match(name):
        raise BadInput.of(field, "must be named in lower_snake_case, at most 64 characters")
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        if not value.isprintable():
            raise BadInput.of(field, "must be text without control characters")
        if len(value) > LONGEST_TEXT:
            raise BadInput.of(field, f"must be at most {LONGEST_TEXT} characters")
        return value
    if isinstance(value, int | float) and value == value and abs(value) <= 1e15:  # noqa: PLR0124
        return value
    raise BadInput.of(field, "must be text, true, false or a finite number")


# Segment's reserved traits, and what they are called here.
_TRAITS = {"email": "email", "firstName": "first_name", "first_name": "first_name",
           "country": "country", "region": "region", "timeZone": "time_zone",
           "time_zone": "time_zone", "timezone": "time_zone"}  # fmt: skip
_ADDRESS = {"country": "country", "region": "region", "state": "region"}


def change_from_traits(traits: Mapping[str, Any], *, at: int) -> ContactChange:
    """Read the traits of an "identify"; traits that Segue has no use for are left alone.

    Raises BadInput naming the trait.
    """
    fields = _postal_place(traits.get("address"), at=at)
    for trait, value in traits.items():
        name = _TRAITS.get(trait, trait if trait.startswith(CONSENT_PREFIX) else None)
        if name is not None and value is not None:
            fields[name] = Stamped(check_field(name, value, field=f"traits.{trait}"), at)
    return ContactChange(fields=fields)


def _postal_place(address: object, *, at: int) -> dict[str, Stamped]:
    """Country and region of Segment's ``address`` trait, whose spec knows no codes.

    What is no ISO 3166 code there is left alone: a place in words is no reason to lose the rest.
    """
    place: dict[str, Stamped] = {}
    if isinstance(address, dict):
        for trait, name in _ADDRESS.items():
            value = address.get(trait)
            if isinstance(value, str) and _SHAPES[name][0].match(value):
                place.setdefault(name, Stamped(value, at))
    return place


def contact_to_json(contact: Contact) -> dict[str, Any]:
    """The stored form."""
    stored: dict[str, Any] = {
        "subject": contact.subject.key,
        "fields": {name: list(said) for name, said in contact.fields.items()},
        "supplied": {name: list(said) for name, said in contact.supplied.items()},
    }
    if contact.address_hash is not None:
        stored["address_hash"] = contact.address_hash
    return stored


def contact_from_json(stored: Mapping[str, Any]) -> Contact:
    """Undo ``contact_to_json``."""
    return Contact(
        Subject.from_key(stored["subject"]),
        fields={name: Stamped(*said) for name, said in stored["fields"].items()},
        supplied={name: Stamped(*said) for name, said in stored["supplied"].items()},
        address_hash=stored.get("address_hash"),
    )
