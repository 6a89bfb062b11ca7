"""Who may speak to the panel: no other site, under no other name, with no form of its own."""

from __future__ import annotations

import pytest

from ops.panel.gate import Gate, TurnedAway
from tests.panels import HOST, PORT, TOKEN, entries_of, get, post, site_of

PRESS = f"token={TOKEN}&button=drop"


@pytest.mark.parametrize("host", [HOST, f"localhost:{PORT}", f"LOCALHOST:{PORT}"])
def test_this_machine_is_let_in(host: str) -> None:
    """Its two names with the panel's port, in any case."""
    assert get(site_of(), "/", host=host).status == 200


@pytest.mark.parametrize("host", ["", "127.0.0.1", f"evil.example:{PORT}", f"127.0.0.1:{PORT + 1}"])
@pytest.mark.parametrize("target", ["/", "/demo/news", "/demo/inbox", "/api/console"])
def test_another_name_is_turned_away(host: str, target: str) -> None:
    """A site whose own name points here reads nothing, the key and the token least of all."""
    site = site_of()
    reply = get(site, target, host=host)

    assert reply.status == 421
    assert site.key.encode() not in reply.body
    assert TOKEN.encode() not in reply.body


@pytest.mark.parametrize(
    "said",
    [
        {"origin": "https://evil.example"},
        {"origin": f"http://127.0.0.1:{PORT + 1}"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ],
    ids=str,
)
@pytest.mark.parametrize("target", ["/demo/press", "/demo/enter", "/api/console/sign-in"])
def test_a_form_of_another_site_does_nothing(said: dict[str, str], target: str) -> None:
    """Not even with the right token; nor is it passed on to the console."""
    site = site_of()

    assert post(site, target, PRESS, **said).status == 403
    assert not site.presser.busy
    assert entries_of(site) == ()


@pytest.mark.parametrize("body", ["button=drop", "token=&button=drop", "token=other&button=drop"])
def test_without_its_token_no_button_is_pressed(body: str) -> None:
    """A form that none of our pages made is refused, and nothing happens."""
    site = site_of()

    assert post(site, "/demo/press", body).status == 403
    assert not site.presser.busy
    assert entries_of(site) == ()


def test_without_its_token_nobody_is_signed_in() -> None:
    """The button that signs in is guarded like the others; the console is not even asked."""
    assert post(site_of(), "/demo/enter", "token=other").status == 403


@pytest.mark.parametrize("target", ["/demo/press", "/demo/enter"])
def test_a_link_presses_nothing(target: str) -> None:
    """A picture or a link on another site is a GET, and no GET changes anything."""
    site = site_of()

    assert get(site, f"{target}?{PRESS}").status == 404
    assert entries_of(site) == ()


def test_our_own_forms_pass() -> None:
    """A page without referrer sends the origin null with its forms; scripts send ours."""
    gate = Gate(PORT, TOKEN)
    for origin in ("null", f"http://{HOST}", f"http://localhost:{PORT}"):
        gate.check_origin({"origin": origin, "sec-fetch-site": "same-origin"})
    gate.check_origin({})


def test_each_panel_has_a_token_of_its_own() -> None:
    """A token of yesterday's demo presses nothing today, nor does any that is not ASCII."""
    first, second = Gate(PORT), Gate(PORT)

    for token in (first.token, "ü"):
        with pytest.raises(TurnedAway):
            second.check_token(token)
