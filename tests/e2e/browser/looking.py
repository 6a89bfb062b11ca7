"""Looks at every kind of page of a deployed console, in each way that people look at it.

Which pages there are is not listed anywhere: from the overview on, one link of each kind is
followed, so a page that is added is looked at without a change here. A kind is an address with
its ids and the values of its query left out: every customer's page is of one kind.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from ops.visit import HEIGHT, NARROW, WIDE, Scheme, Visit

if TYPE_CHECKING:
    from playwright.sync_api import Response

LOOK = Path(__file__).with_name("look.js").read_text()
# More kinds than a console for people has; a crawl that never ends would be a mistake of the kinds.
MOST_KINDS = 60
MOST_STOPS = 600
# Steps that are words of ours and not ids.
WORDS = frozenset({"erase", "export", "rejects", "replay", "activate"})
# Files of ours, and what a link only saves.
NO_PAGE = frozenset({"static"})


class View(NamedTuple):
    """One way to look at a page."""

    scheme: Scheme
    width: int


VIEWS = (View("light", WIDE), View("dark", WIDE), View("light", NARROW))


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


def kind_of(path: str) -> str:
    """The kind of a page by its address under the console.

    >>> kind_of("/customers/c-1/erase")
    '/customers/*/erase'
    >>> kind_of("/messages?state=BOUNCED&cursor=abc")
    '/messages?cursor&state'
    """
    address = urlsplit(path)
    steps = address.path.strip("/").split("/")
    shape = [step if at == 0 or step in WORDS else "*" for at, step in enumerate(steps)]
    asked = sorted({name for name, _ in parse_qsl(address.query, keep_blank_values=True)})
    return "/" + "/".join(shape) + ("?" + "&".join(asked) if asked else "")


def discover(visit: Visit, beginnings: Sequence[str]) -> Iterator[str]:
    """Every page that can be reached, one of each kind, beginning with these addresses."""
    known = {kind_of(path): path for path in reversed(beginnings)}
    waiting = list(known.values())[::-1]
    while waiting:
        path = waiting.pop(0)
        if _saves_a_file(visit, path):
            continue
        yield path
        for link in visit.page.evaluate(f"({LOOK}).facts().links"):
            if not link.startswith(visit.home):
                continue
            found = urlsplit(link)._replace(fragment="").geturl().removeprefix(visit.home)
            kind = kind_of(found)
            if kind not in known and kind.split("/")[1] not in NO_PAGE:
                known[kind] = found
                waiting.append(found)
        if len(known) > MOST_KINDS:
            raise AssertionError(f"more than {MOST_KINDS} kinds of pages: {sorted(known)}")


def look(visit: Visit, path: str, view: View, *, album: Path) -> Seen:
    """Look at a page in one way, and keep a picture of it."""
    visit.page.emulate_media(color_scheme=view.scheme)
    visit.page.set_viewport_size({"width": view.width, "height": HEIGHT})
    visit.notes.clear()
    answer = visit.go(path)
    seen = noted(visit, answer, kind_of(path), view)
    name = kind_of(path).strip("/").translate(str.maketrans("/?&*", "---_")) or "overview"
    picture = album / f"{name}.{view.scheme}.{view.width}.png"
    visit.page.screenshot(path=str(picture), full_page=True)
    return seen


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


def _saves_a_file(visit: Visit, path: str) -> bool:
    """Whether an address is a file to save; else the window shows its page now."""
    from playwright.sync_api import Error  # noqa: PLC0415  (not in every environment)

    try:
        visit.go(path)
    except Error as error:
        if "Download is starting" not in error.message:
            raise
        answer = visit.page.request.get(visit.home + path)
        if answer.status != 200:
            raise AssertionError(f"{path}: {answer.status}") from error
        return True
    return False
