"""The inbox: every mail as HTML, text and headers, none of which is trusted."""

from __future__ import annotations

import pytest

from ops.panel.mail_view import links_in, view_mail
from ops.panel.site import ROWS
from tests.browser import Document
from tests.panels import get, mail_of, site_of

EVIL = "</pre></iframe><script>alert(1)</script><img src=x onerror=alert(1)>"


def test_mails_are_listed_newest_first() -> None:
    """With subject and recipient, each one click away."""
    mails = [mail_of(f"mail {number}", to="a@example.com") for number in (1, 2, 3)]
    document = Document(get(site_of(mails=mails), "/demo/inbox").body.decode())

    links = [link for link in document.all("a", "href") if link.startswith("/demo/inbox/")]
    assert links == ["/demo/inbox/3", "/demo/inbox/2", "/demo/inbox/1"]
    assert "3 mails" in document.text


def test_a_long_list_goes_on() -> None:
    """A page has a hundred; the next begins where it ended, and all are reached."""
    mails = [mail_of("hello", to="a@example.com")] * (ROWS + 2)
    site = site_of(mails=mails)
    first = Document(get(site, "/demo/inbox").body.decode())
    [older] = [link for link in first.all("a", "href") if "from=" in link]
    second = Document(get(site, older).body.decode())

    links = [link for link in second.all("a", "href") if link.startswith("/demo/inbox/")]
    assert links == ["/demo/inbox/2", "/demo/inbox/1"]


def test_an_empty_inbox_says_what_to_do() -> None:
    """Before the first mail the page names the button that brings one."""
    assert b"Let a customer lapse" in get(site_of(), "/demo/inbox").body


def test_what_a_mail_says_is_shown_and_never_run() -> None:
    """Markup in subject, text and headers is text on the page; nothing of it becomes a tag."""
    mail = mail_of(EVIL, to="a@example.com", html=f"<p>{EVIL}</p>", text=EVIL)
    for target in ("/demo/inbox", "/demo/inbox/1"):
        reply = get(site_of(mails=[mail]), target)
        document = Document(reply.body.decode())

        assert EVIL in " ".join(text for _, text in document.texts)
        assert not [tag for tag, _ in document.tags if tag in ("script", "img")]
        assert "script-src 'self'" in reply.header("content-security-policy")


def test_the_html_of_a_mail_stands_in_a_sandbox() -> None:
    """Framed or opened alone it may run nothing, ask nobody for anything, and is of no origin."""
    mail = mail_of("hello", to="a@example.com", html="<p>Hi</p><img src='https://a.example/p.gif'>")
    site = site_of(mails=[mail])
    page, framed = get(site, "/demo/inbox/1"), get(site, "/demo/inbox/1/html")
    [(_, frame)] = [each for each in Document(page.body.decode()).tags if each[0] == "iframe"]

    assert frame["src"] == "/demo/inbox/1/html"
    assert frame["sandbox"] in (None, "")
    assert framed.body.decode() == mail.html
    policy = [each.strip() for each in framed.header("content-security-policy").split(";")]
    assert "sandbox" in policy
    assert "default-src 'none'" in policy
    assert "img-src data:" in policy
    assert not [each for each in policy if each.startswith(("script-src", "connect-src"))]


def test_links_of_a_mail_open_elsewhere() -> None:
    """Each web address once, in a tab that knows nothing of this one; nothing else is a link."""
    html = (
        '<a href="https://shop.example/?a=1&amp;b=2">x</a><a href="https://shop.example/?a=1&b=2">'
        '</a><a href="javascript:alert(1)">y</a><a href="mailto:a@example.com">z</a>'
        '<a href="data:text/html,hi">d</a><a href="https://[bad">b</a><a href="/demo/press">p</a>'
    )
    mail = mail_of("hello", to="a@example.com", html=html)
    document = Document(get(site_of(mails=[mail]), "/demo/inbox/1").body.decode())

    assert links_in(html) == ["https://shop.example/?a=1&b=2"]
    [link] = [each for tag, each in document.tags if tag == "a" and "target" in each]
    assert link["href"] == "https://shop.example/?a=1&b=2"
    assert link["target"] == "_blank"
    assert set((link["rel"] or "").split()) >= {"noopener", "noreferrer"}


def test_headers_are_shown_decoded() -> None:
    """Every header with its name, folded lines as one, encoded words as what they mean."""
    view = view_mail(7, mail_of("Grüße aus der Fuge", to="a@example.com"))

    assert ("Subject", "Grüße aus der Fuge") in view.headers
    assert ("To", "a@example.com") in view.headers


def test_a_header_that_cannot_be_decoded_is_shown_as_it_is() -> None:
    """A mail in an encoding that does not exist is shown all the same."""
    mail = mail_of("hello", to="a@example.com")
    raw = b"X-Odd: =?no-such-code?b?aGVsbG8=?=\r\n" + mail.raw
    odd = type(mail)(mail.recipient, mail.subject, mail.text, mail.html, raw)

    assert view_mail(1, odd).headers[0] == ("X-Odd", "=?no-such-code?b?aGVsbG8=?=")


@pytest.mark.parametrize("target", ["0", "2", "-1", "x", "1/raw", "1/html/x"])
def test_a_mail_that_is_not_there(target: str) -> None:
    """Its page says so."""
    site = site_of(mails=[mail_of("hello", to="a@example.com")])

    assert get(site, f"/demo/inbox/{target}").status == 404
