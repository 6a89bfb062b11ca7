"""Words into a letter: the same words as text and as HTML, from one file for each mail.

``templates/NAME.j2`` holds the words of a mail, ``templates/NAME.SEGMENT.j2`` those for one
segment; ``_layout.txt.j2`` and ``_layout.html.j2`` give them their form, so that the two parts of
a mail cannot say different things. Which files exist is the allowlist. Data is only ever a value:
the environment is sandboxed, refuses unknown names, and escapes whatever goes into HTML.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from chalicelib.core.errors import Broken
from chalicelib.mail.words import OfferWords

if TYPE_CHECKING:
    from jinja2.sandbox import ImmutableSandboxedEnvironment

_TEMPLATES = Path(__file__).with_name("templates")
_SUFFIX = ".j2"
_TEXT_COLUMNS = 72


@dataclass(frozen=True, slots=True)
class Content:
    """What a mail is made of; every text is already cleaned for display.

    Attributes:
        template: which mail.
        segment: which variant of it, where there is one.
        brand: who writes.
        postal_address: where the writer can be found, by law.
        purpose: the purpose that the reader consented to.
        unsubscribe_url: where consent is withdrawn; None for transactional mail.
        shop_url: where the button leads; without it there is no button.
        name: whom to greet.
        title: the product that the reader looked at last.
        offer: what is offered.
        disclosures: texts that the law wants shown, exactly as they are.
    """

    template: str
    segment: str
    brand: str
    postal_address: str
    purpose: str
    unsubscribe_url: str | None
    shop_url: str | None = None
    name: str | None = None
    title: str | None = None
    offer: OfferWords | None = None
    disclosures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Letter:
    """A rendered mail without its envelope."""

    subject: str
    text: str
    html: str


@cache
def templates() -> frozenset[str]:
    """The mails that can be sent: ``NAME`` and ``NAME.SEGMENT``."""
    return frozenset(
        path.name.removesuffix(_SUFFIX)
        for path in _TEMPLATES.iterdir()
        if path.name.endswith(_SUFFIX) and not path.name.startswith("_")
    )


def choose(template: str, *, segment: str) -> str:
    """The variant for the segment, else the mail for everyone; raises Broken without either."""
    for name in (f"{template}.{segment}", template):
        if name in templates():
            return name
    raise Broken(f"there is no mail template {template!r}")


def render(content: Content) -> Letter:
    """Render subject, text and HTML.

    Raises Broken when a template is missing or asks for something that does not exist.
    """
    name = choose(content.template, segment=content.segment)
    return Letter(
        subject=_fill(name, content, layout="_subject.txt", html=False),
        text=_fill(name, content, layout="_layout.txt", html=False),
        html=_fill(name, content, layout="_layout.html", html=True),
    )


def _fill(name: str, content: Content, *, layout: str, html: bool) -> str:
    from jinja2 import TemplateError  # noqa: PLC0415  (only where mail is rendered)

    values = {field.name: getattr(content, field.name) for field in fields(content)}
    try:
        template = environment(html=html).get_template(name + _SUFFIX)
        filled = template.render(layout=layout + _SUFFIX, **values)
    except TemplateError as error:
        # The message may quote a value; the class and the template say enough.
        raise Broken(f"mail template {name} failed ({type(error).__name__})") from None
    return filled.strip() + ("" if layout.startswith("_subject") else "\n")


@cache
def environment(*, html: bool) -> ImmutableSandboxedEnvironment:
    """Where templates run: sandboxed, strict about names, escaping in HTML."""
    from jinja2 import FileSystemLoader, StrictUndefined  # noqa: PLC0415
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415

    environment = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters["line"] = _one_line
    environment.filters["paragraph"] = _paragraph
    return environment


def _one_line(text: str) -> str:
    """Join the lines in which a template file holds one sentence."""
    return type(text)(" ".join(text.split()))


def _paragraph(text: str) -> str:
    """Break a paragraph of the text part into lines that every mail program shows whole."""
    lines: list[str] = []
    for word in text.split():
        if lines and len(lines[-1]) + 1 + len(word) <= _TEXT_COLUMNS:
            lines[-1] += " " + word
        else:
            lines.append(word)
    return "\n".join(lines)
