"""The console's door: who gets in, for how long, and what a forged form or cookie is good for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chalicelib.console.page import POLICY
from chalicelib.console.session import (
    SESSION_SECONDS,
    VISIT_SECONDS,
    FormForged,
    check_form_token,
    form_token,
)
from chalicelib.console.site import Site
from chalicelib.core.canonical import sha256_hex
from chalicelib.core.control import ApiKey, Switches
from chalicelib.core.errors import Transient
from chalicelib.core.kinds import API_KEY, SWITCH
from chalicelib.core.storage import WHATEVER, Put
from chalicelib.core.tokens import sign
from tests.browser import HOME, Browser, Document
from tests.fakes import SIGNING_KEYS
from tests.storefront import Storefront, key_text, open_storefront
from tests.unit.core.situations import NOW


@pytest.fixture
def shop() -> Iterator[Storefront]:
    """A shop that knows one buyer."""
    with open_storefront() as storefront:
        yield storefront


@pytest.fixture
def browser(shop: Storefront) -> Browser:
    """A browser in which nobody has signed in."""
    return Browser(shop)


def switches(shop: Storefront) -> set[Switches | None]:
    """How the copies of the switches stand in storage."""
    return {shop.store.one(SWITCH.key(str(copy))) for copy in range(16)}


# --- signing in and out -------------------------------------------------------------------------


def test_an_operators_key_opens_a_session(browser: Browser) -> None:
    """The cookie is out of reach of scripts, other sites and plain HTTP, and ends by itself."""
    entrance = browser.page("/console/sign-in")
    response = browser.submit(entrance.form_to("/sign-in"), key=browser.shop.issue_key("operate"))

    assert (response.status_code, response.headers["Location"]) == (303, HOME)
    attributes = response.headers["Set-Cookie"].split("; ")[1:]
    assert set(attributes) == {
        f"Path={HOME}",
        f"Max-Age={SESSION_SECONDS}",
        "HttpOnly",
        "SameSite=Strict",
        "Secure",
    }
    assert browser.page("/console").text.startswith("Overview – Segue")


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("", "must be an API key"),
        ("hello", "not known"),
        (key_text("nobody made this one"), "not known"),
    ],
)
def test_another_key_opens_nothing(browser: Browser, key: str, says: str) -> None:
    """The page says what is wrong, and the cookie stays that of a visitor."""
    response = browser.submit(browser.page("/console/sign-in").form_to("/sign-in"), key=key)

    assert response.status_code in (403, 422)
    assert says in Document(response.body.decode()).text
    assert browser.get("/console").status_code == 303


def test_a_key_without_the_scope_or_revoked_opens_nothing(browser: Browser) -> None:
    """Operating is a scope of its own; a revoked key is as good as none."""
    for key in (
        browser.shop.issue_key("read", "privacy"),
        browser.shop.issue_key("operate", revoked_at=NOW),
    ):
        response = browser.submit(browser.page("/console/sign-in").form_to("/sign-in"), key=key)
        assert response.status_code == 403
        assert browser.get("/console").status_code == 303


def test_the_key_is_never_shown_again_nor_logged(browser: Browser) -> None:
    """Not in a page, not in the cookie, not in the log."""
    key = browser.shop.issue_key("operate")
    browser.sign_in_with(key)
    pages = browser.get("/console").body.decode()

    secret = key.rpartition("_")[2]
    assert secret not in pages + browser.cookie + browser.shop.log.getvalue()


def test_nobody_signs_in_while_storage_does_not_answer(browser: Browser) -> None:
    """A key that this process remembers is good for a checkout, not for the console."""
    key = browser.shop.issue_key("operate")
    form = browser.page("/console/sign-in").form_to("/sign-in")
    browser.shop.call("GET", "/v1/control", scopes=None, headers={"Authorization": f"Bearer {key}"})
    browser.shop.keyring.fail_reads(Transient("throttled"))

    response = browser.submit(form, key=key)

    assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
    assert "Content-Security-Policy" in response.headers


def test_signing_out_takes_the_cookie_away(browser: Browser) -> None:
    """And leads to the entrance."""
    browser.sign_in()
    response = browser.submit(browser.page("/console").form_to("/sign-out"))

    assert response.headers["Location"] == f"{HOME}/sign-in"
    assert "Max-Age=0" in response.headers["Set-Cookie"]
    assert browser.get("/console").status_code == 303


def test_on_this_machine_the_cookie_does_without_https() -> None:
    """``make local`` speaks plain HTTP on the loopback; anywhere else Secure stays."""
    assert "Secure" not in Site.under("http://127.0.0.1:8000").set_cookie("x", seconds=1)
    assert "Path=/console;" in Site.under("http://127.0.0.1:8000").set_cookie("x", seconds=1)
    for url in ("http://api.shop.example", "https://127.0.0.1", "http://127.0.0.1.shop.example"):
        assert Site.under(url).set_cookie("x", seconds=1).endswith("; Secure")


# --- the end of a session -----------------------------------------------------------------------


def test_a_session_ends_after_eight_hours(browser: Browser) -> None:
    """To the second; the entrance says so."""
    browser.sign_in()
    browser.shop.clock.now = NOW + SESSION_SECONDS - 1
    assert browser.get("/console").status_code == 200

    browser.shop.clock.now = NOW + SESSION_SECONDS
    response = browser.get("/console")

    assert response.headers["Location"] == f"{HOME}/sign-in?expired=1"
    assert "session is over" in browser.page(response.headers["Location"]).text


def test_revoking_the_key_ends_its_sessions_with_the_next_click(browser: Browser) -> None:
    """The key is looked up with every request."""
    key = browser.shop.issue_key("operate", "read")
    browser.sign_in_with(key)
    revoked = ApiKey(key.split("_")[1], ("operate", "read"), created_at=NOW, revoked_at=NOW)
    put = Put(API_KEY.key(sha256_hex(key.encode())), revoked, WHATEVER)
    browser.shop.keyring.write([put], now=NOW)

    assert browser.get("/console").headers["Location"] == f"{HOME}/sign-in?expired=1"


def test_a_script_is_told_of_the_end_in_a_header(browser: Browser) -> None:
    """Htmx would put the entrance into the middle of a page; HX-Redirect takes the whole window."""
    response = browser.get("/console/messages", HX_Request="true")

    assert response.status_code == 401
    assert response.headers["HX-Redirect"] == f"{HOME}/sign-in"
    assert response.body == b""


def test_a_form_that_comes_after_the_end_changes_nothing(browser: Browser) -> None:
    """Whatever it asks for, the answer is the entrance."""
    form = browser.sign_in().page("/console/switches/sending").form_to("/sending")
    browser.shop.clock.now = NOW + SESSION_SECONDS

    assert browser.submit(form, to="off").status_code == 303
    assert switches(browser.shop) == {None}


@pytest.mark.parametrize(
    "forge",
    [
        lambda cookie: "",
        lambda cookie: cookie[:-2] + ("AA" if cookie[-2:] != "AA" else "BB"),
        lambda cookie: "k." + cookie.partition(".")[2],
        lambda cookie: cookie + "x" * 2_000,
        lambda cookie: "é" + cookie,
        lambda cookie: cookie.split(".")[1],
    ],
)
def test_a_forged_cookie_is_nobodys(browser: Browser, forge: object) -> None:
    """Whatever is changed about it."""
    browser.sign_in()
    browser.cookie = forge(browser.cookie)  # type: ignore[operator]

    assert browser.get("/console").status_code == 303


def test_a_visitors_cookie_and_a_form_token_are_no_session(browser: Browser) -> None:
    """Each kind of token is signed for its own purpose."""
    form = browser.page("/console/sign-in").form_to("/sign-in")
    assert browser.get("/console").status_code == 303

    browser.cookie = form.fields["form"]
    assert browser.get("/console").status_code == 303


# --- forms --------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", ["", "a.b.c", "é"])
def test_a_form_that_is_not_from_this_session_changes_nothing(browser: Browser, token: str) -> None:
    """The page says that nothing was changed, and how to go on."""
    browser.sign_in()
    response = browser.post("/console/switches/sending", {"form": token, "to": "off"})

    page = Document(response.body.decode())
    assert response.status_code == 403
    assert "not from this session" in page.text
    assert "Nothing was changed." in page.text
    assert switches(browser.shop) == {None}


def test_the_token_of_another_session_does_not_fit(browser: Browser) -> None:
    """Not even one of the same key."""
    form = browser.sign_in().page("/console/switches/sending").form_to("/sending")
    other = Browser(browser.shop).sign_in()

    assert other.submit(form, to="off").status_code == 403
    assert switches(browser.shop) == {None}


def test_signing_in_needs_a_form_of_this_browser(browser: Browser) -> None:
    """Another site cannot sign an operator in under a key of its own choice."""
    key = browser.shop.issue_key("operate")
    stolen = browser.page("/console/sign-in").form_to("/sign-in")
    victim = Browser(browser.shop)

    assert victim.submit(stolen, key=key).status_code == 403
    refused = Document(victim.submit(stolen, key=key).body.decode())
    assert refused.forms == []  # so there is no token for a browser without a cookie
    assert victim.get("/console").status_code == 303


def test_no_token_fits_a_browser_without_a_cookie() -> None:
    """Not even one that is signed: where there is no session, no form is its own."""
    signed = sign(SIGNING_KEYS, purpose="console_form", payload={"c": sha256_hex(b"")[:32]})

    assert form_token(SIGNING_KEYS, "") == ""
    for token in ("", signed):
        with pytest.raises(FormForged):
            check_form_token(SIGNING_KEYS, "", token)


def test_a_form_for_signing_in_is_good_for_an_hour(browser: Browser) -> None:
    """A page that was left open is loaded again."""
    form = browser.page("/console/sign-in").form_to("/sign-in")
    browser.shop.clock.now = NOW + VISIT_SECONDS

    assert browser.submit(form, key=browser.shop.issue_key("operate")).status_code == 403
    browser.sign_in()


@pytest.mark.parametrize(
    "media", ["application/json", "multipart/form-data; boundary=x", "text/plain"]
)
def test_a_body_that_is_no_form_is_refused(browser: Browser, media: str) -> None:
    """With a page, not with a problem document."""
    browser.sign_in()
    form = browser.page("/console/switches/sending").form_to("/sending")

    response = browser.post(form.action, {**form.fields, "to": "off"}, Content_Type=media)

    assert response.status_code == 415
    assert response.headers["Content-Type"].startswith("text/html")
    assert switches(browser.shop) == {None}


@pytest.mark.parametrize(
    "body", [b"a=1&a=2", b"a=%ff", b"a=\xc3\xa9", b"x=" + b"y" * 20_000, b"&".join([b"a=1"] * 99)]
)
def test_a_form_that_cannot_be_read_changes_nothing(browser: Browser, body: bytes) -> None:
    """Twice the same field, no UTF-8, too large, too many."""
    browser.sign_in()
    response = browser._send(
        "POST",
        "/console/switches/sending",
        body,
        {"Content-Type": "application/x-www-form-urlencoded"},
    )

    assert response.status_code in (400, 413)
    assert switches(browser.shop) == {None}


# --- scopes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "scope"),
    [
        ("/console/customers", "read"),
        ("/console/customers/c-1", "read"),
        ("/console/decisions/d-1", "read"),
        ("/console/messages", "read"),
        ("/console/drops", "read"),
        ("/console/drops/d-1/rejects", "read"),
        ("/console/customers/c-1/export", "privacy"),
        ("/console/customers/c-1/erase", "privacy"),
    ],
)
def test_a_page_asks_for_the_scope_that_the_interface_asks_for(
    browser: Browser, path: str, scope: str
) -> None:
    """The console is no way around the scopes of a key; the page says which is missing."""
    browser.sign_in("operate")

    page = browser.page(path, status=403)

    assert f"needs the scope {scope}" in page.text
    assert browser.shop.calls() == []


# --- the head -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/console", "/console/sign-in", "/console/policies/none"])
def test_every_answer_has_the_strict_headers(browser: Browser, path: str) -> None:
    """Pages, refusals and ways elsewhere alike."""
    browser.sign_in()
    response = browser.get(path)

    headers = response.headers
    assert headers["Content-Security-Policy"] == POLICY
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Correlation-Id"]


def test_our_own_files_are_kept_for_ever_under_the_hash_of_their_content(browser: Browser) -> None:
    """Another content is another address; nobody has to sign in for them."""
    page = browser.page("/console/sign-in")
    files = [*page.all("link", "href")[1:], *page.all("script", "src")]

    assert len(files) == 5
    for path in files:
        response = browser.get(path)
        digest = sha256_hex(response.body)[:12]
        assert path.rpartition("-")[2].partition(".")[0] == digest
        assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert response.headers["Content-Type"].startswith(("text/css", "text/javascript"))
        assert "Set-Cookie" not in response.headers
    assert browser.get("/console/static/console-000000000000.css").status_code == 404
    assert browser.get("/console/static/..%2Fsession.py").status_code == 404


def test_the_log_names_the_key_and_no_person(browser: Browser) -> None:
    """Who looked at which kind of page; not at whom."""
    browser.sign_in().page("/console/customers/c-1")

    [line] = [line for line in browser.shop.lines() if line["route"].endswith("{customer_id}")]
    assert line["key_id"] == browser.shop.issue_key("operate", "read", "privacy").split("_")[1]
    assert "c-1" not in browser.shop.log.getvalue()


def test_a_fault_of_ours_is_a_page_without_a_word_of_why(browser: Browser) -> None:
    """The log has the place, the page an id to ask about."""
    browser.sign_in()
    browser.shop.store.fail_reads(RuntimeError("no row for ann@example.com"))

    response = browser.get("/console/customers/c-1")
    page = Document(response.body.decode())

    assert response.status_code == 500
    assert "ann@example.com" not in page.text + browser.shop.log.getvalue()
    assert response.headers["X-Correlation-Id"] in page.text
