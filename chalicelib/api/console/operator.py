"""Who asks for a page, and everything that the page is made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from chalice.app import Request

from chalicelib.api.console.forms import LARGEST_FORM_BYTES
from chalicelib.api.edge import Edge
from chalicelib.api.scopes import Scope
from chalicelib.console.page import Download, Elsewhere, OwnFile, Page
from chalicelib.console.session import form_token
from chalicelib.console.site import Site
from chalicelib.core.errors import Forbidden
from chalicelib.core.tokens import SigningKeys

if TYPE_CHECKING:
    from chalicelib.api.edge import Shelves

Answered = Page | Elsewhere | Download | OwnFile


@dataclass(frozen=True)
class Operator:
    """Somebody with a browser, signed in or not.

    Attributes:
        edge: what the API works with.
        request: as it came.
        cookie: the signed value, of a session or of a visit.
        key_id: the key with which they signed in; None for a visitor.
        scopes: what that key may do.
        now: the moment.
        correlation_id: ties everything of this request together.
        form: what a posted form says; empty for GET.
    """

    edge: Edge
    request: Request
    cookie: str
    key_id: str | None
    scopes: tuple[str, ...]
    now: int
    correlation_id: str
    form: dict[str, str]

    @cached_property
    def site(self) -> Site:
        """Where the console is."""
        return Site.under(self.edge.public_url)

    @cached_property
    def store(self) -> Shelves:
        """Storage that may take its time."""
        return self.edge.patient().store

    @cached_property
    def keys(self) -> SigningKeys:
        """The signing keys."""
        return self.edge.patient().keys()

    @property
    def named(self) -> str:
        """The key's id, for an audit line; only for somebody who signed in."""
        if self.key_id is None:
            raise RuntimeError("a visitor has reached what only operators may do")
        return self.key_id

    @property
    def form_token(self) -> str:
        """What every form on a page for them carries."""
        return form_token(self.keys, self.cookie)

    def may(self, scope: Scope) -> bool:
        """Whether their key has a scope."""
        return scope in self.scopes

    def query(self, name: str) -> str | None:
        """A parameter of the address; the last one where it is given twice."""
        given = self.request.query_params
        return None if given is None else given.get(name)


class NeedsScope(Forbidden):
    """The key of the session may not do this; ``scope`` names what is missing."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        super().__init__(*Forbidden.of("key", f"needs the scope {scope}").errors)


View = Callable[..., Answered]


@dataclass(frozen=True, slots=True)
class Route:
    """One page or form.

    Attributes:
        view: answers it.
        scope: what the key must hold besides ``operate``; None for nothing more.
        is_open: whether somebody may ask who has not signed in.
        is_file: whether it is one of our own files, which are told nothing of who asks.
        section: the entry of the head that it belongs to.
        largest_form_bytes: how long a posted form may be; a longer one than most may hold files.
    """

    view: View
    scope: Scope | None
    is_open: bool = False
    is_file: bool = False
    section: str = ""
    largest_form_bytes: int = LARGEST_FORM_BYTES
