"""Looks at every kind of page of a deployed console, in each way that people look at it.

From the overview on one link of each kind is followed, so a page that is added is looked at
without a change here. A kind is a route of the app and the names of the query: every customer's
page is of one kind, and the list of mails in one state is of another than the list of all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from chalicelib.api.scopes import CONSOLE
from ops.visit import HEIGHT, NARROW, WIDE, Scheme, Visit

if TYPE_CHECKING:
    from playwright.sync_api import Response

LOOK = Path(__file__).with_name("look.js").read_text()
# More kinds than a console for people has; a crawl that never ends would be a mistake of the kinds.
MOST_KINDS = 60
MOST_STOPS = 600
HOME = "/console"
ROUTES = tuple(path.removeprefix(HOME) or "/" for method, path in CONSOLE if method == "GET")
# What a link only saves: as the route that gives files alone, or in the query.
FILES = frozenset({"/customers/{customer_id}/export", "/drops/{drop_id}/rejects"})
SAVES = "format"


class View(NamedTuple):
    """One way to look at a page."""

    scheme: Scheme
    width: int


@dataclass(frozen=True, slots=True)
class Seen:
    """A page, looked at in one way.

    Attributes:
        kind: what kind of page.
        view: how it was looked at.
        status: of the answer.
        complaints: what the browser noted against it.
        elsewhere: what it asked for outside of this machine.
        facts: what ``look.js`` says of it.
    """

    kind: str
    view: View
    status: int
    complaints: tuple[str, ...]
    elsewhere: tuple[str, ...]
    facts: dict[str, Any]

    def __str__(self) -> str:
        """Name it."""
        return f"{self.kind} ({self.view.scheme}, {self.view.width} px)"


@dataclass(frozen=True, slots=True)
class Typed:
    """A page, gone through with the tab key.

    Attributes:
        kind: what kind of page.
        missed: what one can click on and the key never reached.
        unmarked: where the focus was and could not be seen.
    """

    kind: str
    missed: tuple[str, ...]
    unmarked: tuple[str, ...]


class Saved(NamedTuple):
    """A file that a link saves: what kind, with which status, and whether it is one to save."""

    kind: str
    status: int
    is_attached: bool


def kind_of(path: str) -> str:
    """The kind of a page by its address under the console.

    >>> kind_of("/customers/c-1/erase")
    '/customers/{customer_id}/erase'
    >>> kind_of("/messages?state=BOUNCED&cursor=abc")
    '/messages?cursor&state'
    """
    address = urlsplit(path)
    asked = sorted({name for name, _ in parse_qsl(address.query, keep_blank_values=True)})
    return _route_of(address.path) + ("?" + "&".join(asked) if asked else "")


def is_page(path: str) -> bool:
    """Whether an address under the console has a route."""
    return bool(_routes_of(path))


def _route_of(path: str) -> str:
    """The route of an address; words of ours go before ids. Raises AssertionError for none."""
    fitting = _routes_of(path)
    if not fitting:
        raise AssertionError(f"{path} leads to no page")
    return min(fitting, key=lambda route: route.count("{"))


def _routes_of(path: str) -> Sequence[str]:
    steps = path.strip("/").split("/")
    return [
        route
        for route in ROUTES
        if len(wanted := route.strip("/").split("/")) == len(steps)
        and all(want == step or want[:1] == "{" for want, step in zip(wanted, steps, strict=True))
    ]


def walk(
    visit: Visit, beginnings: Sequence[str], *, album: Path
) -> Iterator[tuple[Sequence[Seen], Typed] | Saved]:
    """Look at every page that can be reached, one of each kind, beginning with these addresses."""
    known = {kind_of(path): path for path in beginnings}
    waiting = list(known.values())
    while waiting:
        path = waiting.pop(0)
        if _saves_a_file(path):
            yield _save(visit, path)
            continue
        seen, typed = look(visit, path, album=album)
        yield seen, typed
        for link in seen[0].facts["links"]:
            if not link.startswith(visit.home):
                continue
            found = urlsplit(link)._replace(fragment="").geturl().removeprefix(visit.home)
            kind = kind_of(found)
            if kind not in known:
                known[kind] = found
                waiting.append(found)
        if len(known) > MOST_KINDS:
            raise AssertionError(f"more than {MOST_KINDS} kinds of pages: {sorted(known)}")


def look(
    visit: Visit, path: str, *, album: Path, named: str | None = None
) -> tuple[Sequence[Seen], Typed]:
    """Look at a page in each way, keep a picture of each, and go through it by keyboard."""
    kind = named or kind_of(path)
    page = visit.page
    _prepare(visit, View("light", WIDE))
    answer = visit.go(path)
    seen = [noted(visit, answer, kind, View("light", WIDE))]
    _keep(visit, seen[0], album)
    # Whoever switches at night does not load the page again.
    page.emulate_media(color_scheme="dark")
    visit.settle()
    seen.append(noted(visit, answer, kind, View("dark", WIDE)))
    _keep(visit, seen[1], album)
    typed = type_through(visit, kind)
    _prepare(visit, View("light", NARROW))
    answer = visit.go(path)
    seen.append(noted(visit, answer, kind, View("light", NARROW)))
    _keep(visit, seen[2], album)
    return seen, typed


def _prepare(visit: Visit, view: View) -> None:
    visit.notes.clear()
    visit.page.emulate_media(color_scheme=view.scheme)
    visit.page.set_viewport_size({"width": view.width, "height": HEIGHT})


def _keep(visit: Visit, seen: Seen, album: Path) -> None:
    name = re.sub(r"[^a-z]+", "-", seen.kind).strip("-") or "overview"
    picture = album / f"{name}.{seen.view.scheme}.{seen.view.width}.png"
    visit.page.screenshot(path=str(picture), full_page=True)


def noted(visit: Visit, answer: Response, kind: str, view: View) -> Seen:
    """What is to be said of the page that the window shows."""
    notes = visit.notes
    return Seen(
        kind,
        view,
        answer.status,
        tuple(notes.complaints),
        tuple(notes.elsewhere),
        visit.page.evaluate(f"({LOOK}).facts()"),
    )


def type_through(visit: Visit, kind: str) -> Typed:
    """Press the tab key until the focus comes round, on the page that the window shows."""
    page = visit.page
    stops: list[str] = page.evaluate(f"(window.looking = {LOOK}).stops()")
    reached: set[int] = set()
    unmarked: list[str] = []
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        at = page.evaluate("looking.focus()")
        if at is None:  # between the last and the first the window itself has the focus
            continue
        if at["stop"] in reached:
            break
        if at["stop"] >= 0:
            reached.add(at["stop"])
        if not (at["is_marked"] and at["is_in_view"]):
            unmarked.append(at["name"])
    missed = tuple(name for index, name in enumerate(stops) if index not in reached)
    return Typed(kind, missed, tuple(unmarked))


def _saves_a_file(path: str) -> bool:
    """Whether an address is that of a file to save and no page."""
    kind, _, asked = kind_of(path).partition("?")
    return kind in FILES or SAVES in asked.split("&")


def _save(visit: Visit, path: str) -> Saved:
    answer = visit.page.request.get(visit.home + path)
    disposition = answer.headers.get("content-disposition", "")
    return Saved(kind_of(path), answer.status, disposition.startswith("attachment"))
