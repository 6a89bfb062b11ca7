"""Values into HTML: every value is escaped, and a name that a template invents is an error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalicelib.console.page import Page
from chalicelib.console.site import Site
from chalicelib.console.static_files import name_of
from chalicelib.core.errors import Broken
from chalicelib.core.explain import words_of
from chalicelib.core.instants import format_instant
from chalicelib.core.money import format_amount

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES = Path(__file__).with_name("templates")
# What the head of every page offers: the first step of the address, and the word for it.
SECTIONS = (
    ("", "Overview"),
    ("customers", "Customers"),
    ("segments", "Segments"),
    ("messages", "Messages"),
    ("experiments", "Experiments"),
    ("policies", "Policies"),
    ("drops", "Drops"),
    ("model", "Model"),
)


@dataclass(frozen=True, slots=True)
class Frame:
    """What every page shows around its own.

    Attributes:
        site: where the console is.
        section: the first step of the page's address.
        key_id: who is signed in; None for nobody.
        form_token: what every form carries.
    """

    site: Site
    section: str
    key_id: str | None
    form_token: str


def render(page: Page, frame: Frame) -> str:
    """Make the page; raises Broken where a template failed."""
    from jinja2 import TemplateError  # noqa: PLC0415  (only where a page is made)

    site = frame.site
    around: Mapping[str, Any] = {
        "title": page.title,
        "sections": [
            (word, site.path(*([step] if step else [])), step == frame.section)
            for step, word in SECTIONS
        ],
        "key_id": frame.key_id,
        "form_token": frame.form_token,
        "path": site.path,
        "asset": lambda name: site.path("static", name_of(name)),
    }
    try:
        return _environment().get_template(f"{page.template}.j2").render(**around, **page.values)
    except TemplateError as error:
        # The message may quote a value; the class and the template say enough.
        raise Broken(f"page {page.template} failed ({type(error).__name__})") from None


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters["moment"] = moment
    environment.filters["short"] = short
    environment.filters["share"] = share
    environment.filters["words"] = words_of
    environment.filters["amount"] = lambda minor, currency: format_amount(minor, currency=currency)
    environment.filters["thousands"] = lambda number: f"{number:,}"
    return environment


def moment(at: int | None) -> str:
    """A moment for a person, in UTC.

    >>> moment(852076800)
    '1997-01-01 00:00:00'
    """
    if at is None or at < 0:
        return "–"
    return format_instant(at).replace("T", " ").removesuffix("Z")


def short(name: str) -> str:
    """The beginning of a hash: enough to tell it from its neighbours.

    >>> short("sha256:0123456789abcdef")
    '0123456789ab'
    """
    return name.removeprefix("sha256:")[:12]


def share(part: float | None) -> str:
    """A share as a percentage.

    >>> share(0.1234)
    '12.3 %'
    """
    return "–" if part is None else f"{part * 100:.1f} %"
