"""An operator at a browser: signs in, goes from page to page, and notes what the browser notes.

What a page may not do is noted and not raised, so that whoever watches can name all of it at once:
messages of the console above "info", errors of scripts, what the policy for content forbade, and
every address outside of this machine that was asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Response

Scheme = Literal["light", "dark"]
WIDE, NARROW = 1280, 400
HEIGHT = 800
MOST_SECONDS = 60  # for anything: a page, or what stands on it; a busy machine is slow
HERE = frozenset({"127.0.0.1", "localhost"})
OF_THE_PAGE = frozenset({"data", "blob", "about"})
LOUD = frozenset({"error", "warning", "assert"})
# A violation is an event of the document; said aloud, it is noted with everything else.
VIOLATIONS = """document.addEventListener("securitypolicyviolation", event => console.error(
  `policy for content: ${event.violatedDirective} forbids ${event.blockedURI || "inline"}`));"""

# The scripts of the page have run, and every chart was drawn or shows its table instead.
DRAWN = """() => document.readyState === "complete"
  && [...document.querySelectorAll("figure[data-chart], figure[data-live]")].every(
    each => each.querySelector(".plot :is(svg, canvas), details[open]"))"""


@dataclass(slots=True)
class Notes:
    """What was noted of a browser.

    Attributes:
        complaints: messages of the console, errors of scripts, violations of the policy.
        elsewhere: addresses outside of this machine that were asked for.
        asked: how many addresses of this machine were asked for.
    """

    complaints: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    asked: int = 0

    def clear(self) -> None:
        """Begin anew, with another page."""
        self.complaints.clear()
        self.elsewhere.clear()
        self.asked = 0

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in LOUD:
            self.complaints.append(f"{message.type}: {message.text}")

    def _see(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.hostname in HERE:
            self.asked += 1
        elif address.scheme not in OF_THE_PAGE:
            self.elsewhere.append(request.url)

    def watch(self, context: BrowserContext) -> None:
        """Note everything of a context from now on."""
        context.add_init_script(VIOLATIONS)
        # Playwright marks a handler's owner with what it made of it, so each is a function.
        context.on("console", lambda message: self._hear(message))
        context.on("weberror", lambda error: self.complaints.append(f"script: {error.error}"))
        context.on("request", lambda request: self._see(request))


@dataclass(frozen=True, slots=True)
class Visit:
    """A window on a deployed console.

    Attributes:
        page: the one tab.
        home: the console's address, ``<public URL>/console``.
        notes: what the browser has noted since they were cleared last.
        runs_scripts: whether scripts of a page run.
    """

    page: Page
    home: str
    notes: Notes
    runs_scripts: bool

    def go(self, path: str = "") -> Response:
        """Go to a page under the console; raises where no answer comes."""
        answer = self.page.goto(self.home + path, wait_until="load")
        if answer is None:
            raise RuntimeError(f"{path}: the browser did not ask for it")
        self.settle()
        return answer

    def sign_in(self, key: str) -> Visit:
        """Sign in with a key, by the form."""
        self.go("/sign-in")
        self.page.get_by_label("API key").fill(key)
        self.press("Sign in")
        return self

    def press(self, words: str) -> None:
        """Press a button of the page's own part, and wait for the page that it leads to."""
        with self.page.expect_navigation(wait_until="load"):
            self.page.locator("main").get_by_role("button", name=words).click()
        self.settle()

    def settle(self) -> None:
        """Wait until the page's scripts have done what they do at first."""
        if self.runs_scripts:
            self.page.wait_for_function(DRAWN)

    @property
    def path(self) -> str:
        """Where the window is, under the console."""
        url: str = self.page.url
        return url.removeprefix(self.home)

    @property
    def text(self) -> str:
        """What the page says, in one line."""
        return " ".join(self.page.locator("main").inner_text().split())


@contextmanager
def visit(
    browser: Browser,
    public_url: str,
    *,
    scheme: Scheme = "light",
    width: int = WIDE,
    scripts: bool = True,
) -> Iterator[Visit]:
    """A window of its own, with cookies of its own, for the length of a block."""
    context = browser.new_context(
        viewport={"width": width, "height": HEIGHT},
        color_scheme=scheme,
        java_script_enabled=scripts,
        locale="en-GB",
        timezone_id="UTC",
        reduced_motion="reduce",
    )
    notes = Notes()
    notes.watch(context)
    try:
        context.set_default_timeout(MOST_SECONDS * 1000)
        home = f"{public_url.rstrip('/')}/console"
        yield Visit(context.new_page(), home, notes, scripts)
    finally:
        context.close()
