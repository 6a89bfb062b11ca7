"""Facts as words: how a mail speaks of a name, a product, an offer and a moment.

Names and titles are data from customers and shops: they are shown, never obeyed. What does not
look like a name or a title is left out, so that a "name" such as ``visit evil.example`` cannot
become a link, reorder a line or end a header.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from chalicelib.core.errors import Broken
from chalicelib.core.money import format_amount
from chalicelib.core.offers import Offer

LONGEST_NAME = 40
LONGEST_TITLE = 80
_NAME_MARKS = frozenset(" '’-")
# Mail programs turn these into links by themselves, without any markup.
_LOOKS_LIKE_A_LINK = re.compile(r"://|@|\bwww\.|[^\W_]\.[^\W\d_]{2,}", re.IGNORECASE)
# Written out, because the names that strftime gives depend on the machine's locale.
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class OfferWords:
    """An offer as a mail puts it.

    Attributes:
        short: for a subject, ``10% off``.
        line: for the offer itself, ``10% off your next order``.
        code: what to enter, to the letter.
        until: the last moment, in words.
    """

    short: str
    line: str
    code: str
    until: str


def greeting_name(first_name: str | None) -> str | None:
    """The name to greet by; None when there is none that is plainly a name.

    Letters, blanks, apostrophes and hyphens only, which leaves no way to write a link, a control
    character or a bidirectional override.

    >>> greeting_name("  Anne-Marie   O'Neil ")
    "Anne-Marie O'Neil"
    >>> greeting_name("Win at http://evil.example") is None
    True
    """
    if first_name is None:
        return None
    name = " ".join(unicodedata.normalize("NFC", first_name).split())
    if not 1 <= len(name) <= LONGEST_NAME or not any(map(str.isalpha, name)):
        return None
    if all(char in _NAME_MARKS or unicodedata.category(char)[0] in "LM" for char in name):
        return name
    return None


def product_title(title: str | None) -> str | None:
    r"""A product's title on one line, at most 80 characters; None when it would become a link.

    >>> product_title("Kind of Blue\r\nBcc: everyone")
    'Kind of Blue Bcc: everyone'
    """
    if title is None or _LOOKS_LIKE_A_LINK.search(title):
        return None
    visible = "".join(" " if _is_invisible(char) else char for char in title)
    line = " ".join(visible.split())
    if len(line) > LONGEST_TITLE:
        line = line[: LONGEST_TITLE - 1].rstrip() + "…"
    return line or None


def _is_invisible(char: str) -> bool:
    """Control, format (bidirectional overrides too), surrogate, private and line separators."""
    category = unicodedata.category(char)
    return category[0] == "C" or category in ("Zl", "Zp")


def offer_words(offer: Offer, *, currency: str, time_zone: str | None) -> OfferWords:
    """Say an offer; ``currency`` is what an ``amount_off`` counts in.

    Raises Broken for a kind that has no words.
    """
    short = _gives(offer, currency)
    line = short + _where(offer, currency)
    until = moment_in_words(offer.expires_at, time_zone=time_zone)
    return OfferWords(short=short, line=line, code=offer.code, until=until)


def _gives(offer: Offer, currency: str) -> str:
    match offer.kind:
        case "percent_off":
            return f"{offer.value}% off"
        case "amount_off":
            return f"{format_amount(offer.value, currency=currency)} off"
        case "free_shipping":
            return "Free shipping"
        case "gift":
            return "A free gift"
        case "early_access":
            return "Early access"
        case _:
            raise Broken(f"there are no words for an offer of kind {offer.kind}")


_BEFORE_ORDER = {"percent_off": "", "amount_off": "", "free_shipping": "on ", "gift": "with "}


def _where(offer: Offer, currency: str) -> str:
    """What it applies to: a promise without its conditions would be an untrue one."""
    before = _BEFORE_ORDER.get(offer.kind)
    if before is None:
        return ""
    scope, least, of_them = offer.scope, "", ""
    if scope.min_spend_minor:
        amount = format_amount(scope.min_spend_minor, currency=currency)
        least, of_them = f" of {amount} or more", f", from {amount} of them"
    if not scope.names_articles:
        return f" {before}your next order{least}"
    if before:
        return f" {before}your next order of selected items{of_them}"
    return f" selected items in your next order{of_them}"


def moment_in_words(moment: int, *, time_zone: str | None) -> str:
    """A moment as a person says it, in their zone where we know it, else in UTC.

    >>> moment_in_words(1773509400, time_zone="Europe/Berlin")
    'Saturday, 14 March 2026, 18:30 (CET)'
    >>> moment_in_words(1773509400, time_zone=None)
    'Saturday, 14 March 2026, 17:30 (UTC)'
    """
    local = datetime.fromtimestamp(moment, _zone(time_zone))
    name = local.tzname() or "UTC"
    if name[0] in "+-":  # zones without letters of their own, such as America/Sao_Paulo
        name = "UTC" + name
    return (
        f"{_DAYS[local.weekday()]}, {local.day} {_MONTHS[local.month - 1]} {local.year}, "
        f"{local:%H:%M} ({name})"
    )


def _zone(time_zone: str | None) -> tzinfo:
    """The zone, or UTC: a contact's zone is only known to have the shape of one."""
    if time_zone is None:
        return UTC
    try:
        return ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC
