"""The panel over a deployed stack, for the length of a block."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from chalicelib.core.control import SCOPES
from ops.key import create_key, key_store
from ops.panel.gate import Gate
from ops.panel.news import News
from ops.panel.press import Presser
from ops.panel.proxy import Upstream
from ops.panel.server import listening
from ops.panel.site import Site
from ops.panel.ways import VenueWays
from ops.panel.words import Pages
from ops.seed import Contact
from ops.story.play import Venue


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel that serves.

    Attributes:
        url: its first page, from which one click signs in.
        console: the console on the panel: the same pages with the bar.
        key: the operator's key, with every scope, for the console's own sign-in page.
        token: what a form that presses a button must carry.
        news: what just happened; whoever plays a story may tell it here, too.
    """

    url: str
    console: str
    key: str = field(repr=False)
    token: str = field(repr=False)
    news: News


@contextmanager
def serving(venue: Venue, *, shoppers: Sequence[Contact] = (), port: int = 0) -> Iterator[Panel]:
    """Serve the panel over a deployed stack, and make a key for its operator.

    Args:
        venue: where the stack is (``ops.demo.open_venue``).
        shoppers: customers with a history, for *start a checkout*; without any, one is made up
            with each press.
        port: where to listen on 127.0.0.1; a free one by default.

    Raises OSError for a port that is taken.
    """
    store = key_store(venue.session.client("dynamodb"), control_table=venue.outputs["ControlTable"])
    key = create_key(store, scopes=SCOPES, now=int(time.time())).text
    upstream = Upstream(venue.shop.public_url)
    news = News()
    presser = Presser(VenueWays(venue), Pages(upstream.home), shoppers, news)
    gates: list[Gate] = []

    def site(port: int) -> Site:
        gates.append(Gate(port))
        return Site(gates[0], upstream, presser, venue.inbox, key)

    with listening(lambda port: site(port).answer, port=port) as url:
        try:
            yield Panel(f"{url}/", f"{url}{upstream.home}", key, gates[0].token, news)
        finally:
            presser.close()
