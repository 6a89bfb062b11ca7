"""Who may speak to the panel: this machine's browser, on the panel's own pages.

The panel listens on 127.0.0.1, which every web site can name. A site that has its own name point
here sends that name as Host; one that posts a form from elsewhere has no token, since it cannot
read our pages, and says so in Origin.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field


class TurnedAway(Exception):
    """A request that no page of ours makes; ``status`` is what it is answered with."""

    def __init__(self, status: int, why: str) -> None:
        self.status = status
        super().__init__(why)


@dataclass(frozen=True, slots=True)
class Gate:
    """What a request must say.

    Attributes:
        port: where the panel listens.
        token: what every form of ours carries; new with each panel.
    """

    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    @property
    def hosts(self) -> frozenset[str]:
        """The names under which a browser on this machine reaches the panel."""
        return frozenset({f"127.0.0.1:{self.port}", f"localhost:{self.port}"})

    def check_host(self, headers: Mapping[str, str]) -> None:
        """Raise TurnedAway for a Host that is not ours (DNS rebinding)."""
        if headers.get("host", "").lower() not in self.hosts:
            raise TurnedAway(421, "this is a demo on this machine: open it as 127.0.0.1")

    def check_origin(self, headers: Mapping[str, str]) -> None:
        """Raise TurnedAway for what another site posts."""
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "same-origin")
        ours = {f"http://{host}" for host in self.hosts}
        # A page that sends no referrer sends the origin "null" with its forms.
        if (origin not in {None, "null"} and origin not in ours) or site != "same-origin":
            raise TurnedAway(403, "a form of another site")

    def check_token(self, token: str) -> None:
        """Raise TurnedAway for a form that no page of this panel made."""
        if not hmac.compare_digest(token.encode(), self.token.encode()):
            raise TurnedAway(403, "a form of another panel: reload the page")
