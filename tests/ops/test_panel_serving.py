"""The panel over HTTP: on this machine alone, pressed as demo-check presses it, gone afterwards."""

from __future__ import annotations

import json
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from urllib.error import URLError
from urllib.parse import urlsplit

import pytest

from ops.panel.gate import Gate
from ops.panel.lapsing import find_lapse
from ops.panel.news import News
from ops.panel.press import Presser
from ops.panel.pressing import press_all
from ops.panel.proxy import Upstream
from ops.panel.server import LARGEST_BODY_BYTES, listening
from ops.panel.serving import Panel
from ops.panel.site import Site
from ops.stage_rules import packaged_rules
from ops.story.pressed import broken_presses
from tests.panels import PAGES, Clock, FakeWays, FixedInbox, by_silence, site_of


@contextmanager
def panel_over(ways: FakeWays) -> Iterator[Panel]:
    """A panel whose buttons act on fakes, and in which waiting takes no time."""
    news = News(ways.clock)
    presser = Presser(ways, PAGES, (), news, clock=ways.clock, pause=ways.clock.pause)
    gates: list[Gate] = []

    def site(port: int) -> Site:
        gates.append(Gate(port))
        return Site(gates[0], Upstream("http://127.0.0.1:9/api"), presser, FixedInbox(), "key")

    with listening(lambda port: site(port).answer) as url:
        yield Panel(f"{url}/", f"{url}/api/console", "key", gates[0].token, news)
        presser.close()


def test_every_button_is_pressed_and_keeps_its_word() -> None:
    """What demo-check judges comes over HTTP: each button's last entry, and no rule is broken."""
    lapse = find_lapse(packaged_rules())
    ways = FakeWays(Clock(), lapses_at=by_silence(lapse))
    with panel_over(ways) as panel:
        pressed = press_all(panel)

    assert list(broken_presses(pressed)) == []
    assert pressed.drop["step"] == pressed.lapse["step"] == pressed.recovers["step"] == "done"
    assert not ways.is_down


def test_a_button_that_does_nothing_breaks_a_rule() -> None:
    """Nobody lapses here, and the verdict names that button alone."""
    with panel_over(FakeWays(Clock(), lapses_at=lambda _: 0)) as panel:
        pressed = press_all(panel)

    named = [each.partition(":")[0] for each in broken_presses(pressed)]
    assert named == ["pressed_lapse"]


def test_it_listens_on_this_machine_alone() -> None:
    """Under 127.0.0.1, on a free port; after the block nobody listens there."""
    with panel_over(FakeWays(Clock())) as panel:
        at = urlsplit(panel.url)
        assert at.hostname == "127.0.0.1"
        with urllib.request.urlopen(panel.url) as answer:  # noqa: S310 - ours
            assert answer.status == 200

    with pytest.raises(URLError):
        urllib.request.urlopen(panel.url)  # noqa: S310 - ours


def test_a_port_that_is_taken_is_an_error() -> None:
    """Nothing else is tried behind one's back."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(OSError, match="in use"),
            listening(lambda _: site_of().answer, port=port),
        ):
            pass


def test_a_body_that_is_too_large_is_not_read() -> None:
    """Nor is one whose length makes no sense."""
    with panel_over(FakeWays(Clock())) as panel:
        for length in (str(LARGEST_BODY_BYTES + 1), "many"):
            connection = HTTPConnection(urlsplit(panel.url).netloc, timeout=10)
            connection.putrequest("POST", "/demo/press")
            connection.putheader("Content-Length", length)
            connection.endheaders()
            assert connection.getresponse().status == 413
            connection.close()


def test_news_go_on_where_they_were() -> None:
    """Asked for what comes after a number, nothing is told twice, and nobody else's is missing."""
    with panel_over(FakeWays(Clock())) as panel:
        panel.news.tell("story", "going", "the story begins")
        second = panel.news.tell("story", "going", "<b>and goes on</b>")
        address = f"{panel.url}demo/news?after={second.number - 1}"
        with urllib.request.urlopen(address) as answer:  # noqa: S310 - ours
            state = json.load(answer)

    assert [each["text"] for each in state["entries"]] == ["<b>and goes on</b>"]
    assert (state["busy"], state["is_failing"]) == ([], False)
