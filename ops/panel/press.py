"""The four buttons: each works in a thread of its own, one press of each at a time."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import count, cycle
from typing import Any, Literal, get_args

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.core.rules import Rules
from ops.panel.checkout import start_checkout
from ops.panel.drop_file import drop_file
from ops.panel.lapse import let_lapse
from ops.panel.mail_fails import Doubted, break_ses, doubt, let_recover
from ops.panel.news import News
from ops.panel.ways import Ways
from ops.panel.words import Pages, PressFailed, Turn
from ops.seed import Contact
from ops.stage_rules import packaged_rules
from ops.story.shop import ShopRefused

Button = Literal["drop", "checkout", "lapse", "mail-fails"]
BUTTONS: tuple[Button, ...] = get_args(Button)

# What a stack that is busy, half up or on its way down answers with.
_EXPECTED = (PressFailed, ShopRefused, ClientError, BotoCoreError, OSError)


class DemoOver(Exception):
    """The panel is closing: whoever waits for something need not."""


@dataclass
class Presser:
    """Does what the buttons say, and tells the news.

    Attributes:
        ways: into the stack.
        pages: where the console's pages are.
        shoppers: customers with a history, who take turns at the checkout.
        news: what just happened.
        new_tag: tells one press from every other.
    """

    ways: Ways
    pages: Pages
    shoppers: Sequence[Contact]
    news: News
    rules_of_stage: Callable[[], Rules] = packaged_rules
    new_tag: Callable[[], str] = lambda: secrets.token_hex(3)
    clock: Callable[[], float] = time.time
    _busy: set[Button] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _numbers: Any = field(default_factory=count)
    _failing: bool = False
    _doubted: Doubted | None = None

    def press(self, button: Button) -> bool:
        """Begin what a button says; False while its last press is still at work."""
        with self._lock:
            if button in self._busy or self._over.is_set():
                return False
            self._busy.add(button)
        name = f"press-{button}-{next(self._numbers)}"
        thread = threading.Thread(target=self._work, args=(button,), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()
        return True

    @property
    def is_failing(self) -> bool:
        """Whether SES fails now."""
        return self._failing

    @property
    def busy(self) -> frozenset[Button]:
        """Buttons whose last press is still at work."""
        with self._lock:
            return frozenset(self._busy)

    def close(self) -> None:
        """Let go of whoever waits, and wait for them."""
        self._over.set()
        for thread in self._threads:
            thread.join(timeout=10)

    @cached_property
    def _rules(self) -> Rules:
        return self.rules_of_stage()

    @cached_property
    def _next_shopper(self) -> Callable[[], Contact | None]:
        return partial(next, cycle(self.shoppers or [None]))

    def _work(self, button: Button) -> None:
        try:
            self._do(button)
        except DemoOver:
            pass  # nobody is there any more to be told
        except Exception as error:
            self.news.tell(button, "failed", f"{type(error).__name__}: {error}")
            if not isinstance(error, _EXPECTED):
                raise
        finally:
            with self._lock:
                self._busy.discard(button)

    def _do(self, button: Button) -> None:
        turn = Turn(int(self.clock()), self.new_tag(), self.pages, self._pause)
        tell = partial(self.news.tell, button)
        match button:
            case "drop":
                drop_file(self.ways, turn, tell)
            case "checkout":
                start_checkout(
                    self.ways,
                    turn,
                    tell,
                    shopper=self._next_shopper(),
                    policy=self._rules.policy,
                )
            case "lapse":
                let_lapse(self.ways, turn, tell, rules=self._rules)
            case "mail-fails":
                self._turn_ses(turn, tell)

    def _turn_ses(self, turn: Turn, tell: Any) -> None:
        if self._failing:
            self._failing = False
            doubted, self._doubted = self._doubted, None
            let_recover(self.ways, turn, tell, doubted=doubted)
        else:
            break_ses(self.ways)
            self._failing = True
            self._doubted = doubt(self.ways, turn, tell, policy=self._rules.policy)

    def _pause(self, seconds: float) -> None:
        if self._over.wait(seconds):
            raise DemoOver
