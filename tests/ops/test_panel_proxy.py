"""The console on the panel: the very pages, cookies and policies, with a bar at the foot."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chalicelib.console.page import POLICY
from chalicelib.console.session import COOKIE
from ops.panel.proxy import Reply, Upstream, with_bar
from ops.panel.site import Site
from tests.browser import HOME, Document
from tests.panels import TOKEN, console_of, get, post, site_of
from tests.storefront import Storefront, open_storefront


@pytest.fixture
def shop() -> Iterator[Storefront]:
    """A shop with a console."""
    with open_storefront() as storefront:
        yield storefront


@pytest.fixture
def site(shop: Storefront) -> Iterator[Site]:
    """The panel over it."""
    with console_of(shop) as url:
        key = shop.issue_key("operate", "read", "privacy")
        yield site_of(public_url=url, key=key)


def cookie_of(reply: Reply) -> str:
    """What a browser sends from then on."""
    return reply.header("set-cookie").partition(";")[0]


def test_one_click_signs_in(site: Site) -> None:
    """The first page's button leads to the overview, signed in, and its address holds no key."""
    entered = post(site, "/demo/enter", f"token={TOKEN}")

    assert (entered.status, entered.header("location")) == (303, HOME)
    assert cookie_of(entered).startswith(f"{COOKIE}=")
    page = get(site, HOME, cookie=cookie_of(entered))
    assert page.status == 200
    assert "<title>Overview" in page.body.decode()


def test_a_page_keeps_its_policy_and_gains_the_bar(site: Site) -> None:
    """The console's policy for content is not loosened; the bar needs nothing inline."""
    cookie = cookie_of(post(site, "/demo/enter", f"token={TOKEN}"))
    page = get(site, f"{HOME}/drops", cookie=cookie)
    document = Document(page.body.decode())

    assert page.header("content-security-policy") == POLICY
    buttons = [each["data-demo"] for tag, each in document.tags if "data-demo" in each]
    assert buttons == ["drop", "checkout", "lapse", "mail-fails"]
    assert "demo-news" in document.all("ol", "id")
    assert not document.all("script", "onload")
    for tag, attributes in document.tags:
        assert not {name for name in attributes if name.startswith("on") or name == "style"}
        assert tag != "style"
        assert tag != "script" or attributes["src"]


def test_the_sign_in_page_works_by_hand(shop: Storefront, site: Site) -> None:
    """The console's own form goes through with its token, and its cookie comes back."""
    entrance = get(site, f"{HOME}/sign-in")
    form = Document(entrance.body.decode()).form_to("/sign-in")
    body = f"form={form.fields['form']}&key={shop.issue_key('operate')}"

    entered = post(
        site,
        form.action,
        body,
        cookie=cookie_of(entrance),
        content_type="application/x-www-form-urlencoded",
    )

    assert (entered.status, entered.header("location")) == (303, HOME)


def test_without_a_session_the_way_leads_to_the_entrance(site: Site) -> None:
    """The panel adds no rights: who is not signed in is sent away by the console itself."""
    reply = get(site, f"{HOME}/customers")

    assert (reply.status, reply.header("location")) == (303, f"{HOME}/sign-in")


def test_a_button_without_scripts_leads_back(site: Site) -> None:
    """The plain form returns to the page on which it was pressed, and to nowhere else."""
    for back, leads_to in [
        (f"{HOME}/messages%3Fstate%3Dheld", f"{HOME}/messages?state=held"),
        ("https://evil.example/console", HOME),
        ("//evil.example/api/console", HOME),
        (f"{HOME}/%0d%0aSet-Cookie:a=b", HOME),
        ("/api/v1/events", HOME),
    ]:
        reply = post(site, "/demo/press", f"token={TOKEN}&button=drop&back={back}")
        assert (reply.status, reply.header("location")) == (303, leads_to)
    site.presser.close()


@pytest.mark.parametrize(
    "target",
    [
        "/api/v1/customers/c-1",
        "/api",
        "/other",
        f"{HOME}/../v1/x",
        f"{HOME}/%2e%2e/v1/x",
        f"{HOME}x",
    ],
)
def test_nothing_but_the_console_is_passed_on(site: Site, target: str) -> None:
    """The rest of the stack is not reachable through the panel."""
    assert get(site, target).status == 404


def test_a_console_that_does_not_answer_is_named() -> None:
    """The page says so; the browser is not left waiting."""
    reply = get(site_of(), HOME)

    assert reply.status == 502
    assert b"The console does not answer" in reply.body


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/csv", b"a,b\n</head></body>"),
        ("text/html", b"<tr><td>a row</td></tr>"),
        ("text/html", b"<!doctype html><title>Broken</title>"),
    ],
)
def test_what_is_no_page_stays_as_it_is(content_type: str, body: bytes) -> None:
    """Files to save, rows to insert and the console's last resort come byte by byte."""
    reply = Reply(200, [("Content-Type", content_type)], body)

    assert with_bar(reply, head="<link>", bar="<aside>") == reply


def test_the_bar_stands_at_the_end_of_a_page() -> None:
    """Once, before the last end of the body, whatever the page quotes."""
    html = "<html><head><title>a</title></head><body><p>1</p></body></html>"
    reply = Reply(200, [("Content-Type", "text/html; charset=utf-8")], html.encode())

    dressed = with_bar(reply, head="<link>", bar="<aside></aside>").body.decode()

    assert dressed == (
        "<html><head><title>a</title><link></head><body><p>1</p><aside></aside></body></html>"
    )


def test_the_console_is_found_where_the_api_has_no_stage() -> None:
    """Under a domain of its own the console is at /console."""
    upstream = Upstream("http://127.0.0.1:9/")

    assert upstream.home == "/console"
    assert upstream.has("/console/drops/d1")
    assert not upstream.has("/demo/inbox")
