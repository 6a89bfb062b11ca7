"""Simulating, storing and the breaker in the console: what an operator does, what goes wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

import app as segue
from chalicelib.api.console.rules import LARGEST_UPLOAD_BYTES
from chalicelib.api.schemas import LARGEST_BODY_BYTES
from chalicelib.console.simulation_figures import tell
from chalicelib.console.simulation_page import WORDS
from chalicelib.core.breaker import Counts, Tally
from chalicelib.core.errors import Transient
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.kinds import BREAKER, RESTARTS, RESTARTS_NAME, SIMULATION
from chalicelib.core.policy import policy_from_toml
from chalicelib.core.simulation_job import SILENT_SECONDS, State
from chalicelib.core.storage import WHATEVER, Put
from tests.browser import HOME, Browser, Document, step
from tests.chronicles import records_event
from tests.functional.test_policies import document, live, simulate, store, unit_price
from tests.storefront import Storefront, open_storefront
from tests.unit.core.situations import NOW, POLICIES

CONTEXT: Any = {}
TOML = (POLICIES / "default.toml").read_text()


@pytest.fixture
def shop() -> Iterator[Storefront]:
    """A shop that knows one buyer, who was decided about ten times."""
    with open_storefront() as storefront:
        for number in range(10):
            storefront.decide(session_id=f"s-{number}")
        segue.on_decided(records_event(storefront.store.all("record").values()), CONTEXT)
        storefront.store.calls.clear()
        yield storefront


@pytest.fixture
def browser(shop: Storefront) -> Browser:
    """A browser in which an operator has signed in."""
    return Browser(shop).sign_in()


def work(shop: Storefront, *, deliveries: int = 1) -> Any:
    """Hand the queue's messages to the function that takes files."""
    records = [
        {
            "messageId": f"m-{number}",
            "body": json.dumps(body),
            "attributes": {"ApproximateReceiveCount": str(deliveries)},
        }
        for number, body in enumerate(shop.drops.drain())
    ]
    return segue.on_drop({"Records": records}, CONTEXT)


def ask(browser: Browser, stored: str, **filled: str) -> Any:
    """Press Simulate on a policy's page."""
    form = browser.page(f"/console/policies/{stored}").form_to("/simulation")
    return browser.submit(form, **filled)


# --- simulating ---------------------------------------------------------------------------------


def test_from_the_click_to_a_second_keys_approval(browser: Browser) -> None:
    """The request only asks; another function works; the figures let a second key activate it."""
    shop = browser.shop
    live(shop, document(discount=800))
    stored = store(shop, document(discount=900))
    author = Browser(shop).sign_in("operate")
    shop.calls()

    response = ask(author, stored)
    assert response.headers["Location"] == f"{HOME}/policies/{step(stored)}/simulation"
    waiting = author.page(f"/console/policies/{stored}/simulation")
    assert WORDS["QUEUED"] in waiting.text
    assert "every 2s" in waiting.all("div", "hx-trigger")
    assert len(shop.drops.messages) == 1

    assert work(shop) == {"batchItemFailures": []}
    done = author.page(f"/console/policies/{stored}/simulation")
    assert "10 of 10 decisions" in done.text
    assert "Who is treated otherwise" in done.text
    assert not done.all("div", "hx-trigger")
    assert "a second person activates it" in author.page(f"/console/policies/{stored}").text

    page = browser.page(f"/console/policies/{stored}")
    assert "come out otherwise 10 (100.0%)" in page.text
    assert len(page.all("figure", "data-chart")) == 6
    browser.submit(page.form_to("/activate"))
    assert unit_price(shop.decide(session_id="s-99")) == 1820


def test_a_request_reads_and_writes_a_job_and_sends_one_message(browser: Browser) -> None:
    """However many decisions are asked for: nothing is decided again within a request."""
    shop = browser.shop
    stored = store(shop, document(discount=900))
    form = browser.page(f"/console/policies/{stored}").form_to("/simulation")
    shop.calls()

    browser.submit(form, days="28", decisions="20000")

    assert shop.calls() == ["read", "read", "read", "write"]
    [line] = shop.lines("simulation_asked")
    assert (line["policy"], len(line["key_id"])) == (stored, 12)


def test_the_diff_under_the_operators_hands_stands_after_a_simulation_too(
    browser: Browser,
) -> None:
    """What was simulated against one policy is not activated in place of another unseen."""
    shop = browser.shop
    live(shop, document(discount=800))
    stored = store(shop, document(discount=900))
    ask(browser, stored)
    work(shop)
    form = browser.page(f"/console/policies/{stored}").form_to("/activate")
    live(shop, document(discount=600))

    response = browser.submit(form)
    page = Document(response.body.decode())

    assert response.status_code == 409
    assert "Nothing was activated." in page.text
    assert page.text.count("price_tiers[winback].discount_basis_points") == 2
    assert unit_price(shop.decide(session_id="s-90")) == 1880
    browser.submit(page.form_to("/activate"))
    assert unit_price(shop.decide(session_id="s-91")) == 1820


def test_an_activation_meanwhile_ends_the_simulation_and_the_page_says_so(
    browser: Browser,
) -> None:
    """By a state of its own; a new one may be asked for at once."""
    shop = browser.shop
    stored = store(shop, document(discount=900))
    ask(browser, stored)
    live(shop, document(discount=600))
    work(shop)

    page = browser.page(f"/console/policies/{stored}/simulation")
    assert "overtaken" in page.text
    assert WORDS["OVERTAKEN"] in page.text
    ask(browser, stored)
    work(shop)
    assert WORDS["DONE"] in browser.page(f"/console/policies/{stored}/simulation").text


def test_while_it_runs_the_policys_page_leads_to_it(browser: Browser) -> None:
    """And offers no second one."""
    stored = store(browser.shop, document(discount=900))
    ask(browser, stored)

    page = browser.page(f"/console/policies/{stored}")

    assert "How far it is" in page.text
    assert not [form for form in page.forms if form.action.endswith("/simulation")]


def test_a_job_that_stands_still_is_put_on_its_way_again(browser: Browser) -> None:
    """Its message was lost; the page says so after five minutes, with a button."""
    shop = browser.shop
    stored = store(shop, document(discount=900))
    shop.drops.fail_next(Transient("no answer"))
    assert ask(browser, stored).status_code == 503
    assert "Nothing was heard of it" not in (
        browser.page(f"/console/policies/{stored}/simulation").text
    )
    shop.clock.forward(SILENT_SECONDS + 1)

    page = browser.page(f"/console/policies/{stored}/simulation")
    assert "Nothing was heard of it for 5 minutes" in page.text
    browser.submit(page.form_to("/simulation"))
    work(shop)

    assert WORDS["DONE"] in browser.page(f"/console/policies/{stored}/simulation").text


def test_what_failed_says_why_and_goes_on_by_a_button(browser: Browser) -> None:
    """After five deliveries it is left; the operator mends the cause and lets it go on."""
    shop = browser.shop
    stored = store(shop, document(discount=900))
    ask(browser, stored)
    # The sample is taken, and the first portion cannot be saved.
    shop.store.fail_writes(None, Transient("throttled"))
    assert work(shop, deliveries=5) == {"batchItemFailures": [{"itemIdentifier": "m-0"}]}

    page = browser.page(f"/console/policies/{stored}/simulation")
    assert "was tried five times" in page.text
    browser.submit(page.form_to("/simulation"))
    work(shop)

    assert WORDS["DONE"] in browser.page(f"/console/policies/{stored}/simulation").text
    job = shop.store.one(SIMULATION.key(stored))
    assert job is not None
    assert (job.done, job.reason) == (10, None)


@pytest.mark.parametrize(
    ("filled", "says"),
    [
        ({"days": "29"}, "must be 1 to 28"),
        ({"days": "-1"}, "must be a whole number of days"),
        ({"days": ""}, "must be a whole number of days"),
        ({"days": "²"}, "must be a whole number of days"),
        ({"days": "9" * 5_000}, "must be a whole number of days"),
        ({"decisions": "20001"}, "must be 1 to 20,000"),
        ({"decisions": "many"}, "must be a whole number of decisions"),
    ],
)
def test_a_form_that_asks_too_much_is_told_which_field(
    browser: Browser, filled: dict[str, str], says: str
) -> None:
    """And nothing is begun."""
    stored = store(browser.shop, document(discount=900))
    response = ask(browser, stored, **filled)

    assert response.status_code == 422
    assert says in Document(response.body.decode()).text
    assert browser.shop.store.all("simulation") == {}


def test_what_decides_and_what_ships_is_not_simulated(browser: Browser) -> None:
    """The page offers it for neither, and the flow refuses a form that was made up."""
    shop = browser.shop
    packaged = shop.rules.policy.hash
    deciding = live(shop, document(discount=900))
    token = browser.page("/console").form_to("/sign-out").fields["form"]
    said = {"form": token, "days": "7", "decisions": "10"}

    for policy, status in ((deciding, 409), (packaged, 404), ("sha256:none", 404)):
        response = browser.post(f"/console/policies/{policy}/simulation", said)
        assert response.status_code == status, policy
    assert len(shop.drops.messages) == 0
    browser.page(f"/console/policies/{deciding}/simulation", status=404)


def test_a_stage_that_does_not_know_its_queue_says_what_to_do(browser: Browser) -> None:
    """Functions that were not told the queue's name begin nothing that nobody would work on."""
    shop = browser.shop
    stored = store(shop, document(discount=900))
    shop.start(replace(shop.adapters(), drops_queue=None))

    response = ask(browser, stored)

    assert response.status_code == 409
    assert "Deploy it once more." in Document(response.body.decode()).text
    assert shop.store.all("simulation") == {}


def test_every_state_has_words() -> None:
    """So that no page shows a bare code."""
    assert set(WORDS) == set(State.__args__)  # type: ignore[attr-defined]


# --- figures that anybody may have stored -------------------------------------------------------


def test_figures_of_another_form_are_shown_field_by_field(browser: Browser) -> None:
    """What a program wrote down, or a version before: no chart, and nothing is left out."""
    stored = store(browser.shop, document(discount=900))
    simulate(browser.shop, stored)

    page = browser.page(f"/console/policies/{stored}")

    assert "customers 3" in page.text
    assert not page.all("figure", "data-chart")


@pytest.mark.parametrize(
    "wrong",
    [
        {"cases": 0},
        {"cases": "many"},
        {"currency": "XXX"},
        {"currency": "USDX"},
        {"moved_minor": {"a": 1}},
        {"segments": {"s": {"cases": 1}}},
        {"before": None},
    ],
)
def test_figures_that_lie_do_not_break_the_page(wrong: dict[str, Any]) -> None:
    """A number that is none, a currency that does not exist, a segment without its sides."""
    side = {"actions": {"a": 1}, "tiers": {"t": 1}, "discount_minor": 0, "mails": 0}
    whole = {"cases": 1, "changed": 1, "before": side, "after": side}
    figures = {**whole, "segments": {"s": whole}, "moved_minor": {"0": 1}, "currency": "JPY"}

    assert len(tell(figures).charts) == 6
    assert tell(figures).rest == ()
    assert tell({**figures, **wrong}).charts == ()
    assert tell({**figures, **wrong}).rest


def test_what_is_drawn_is_what_was_counted() -> None:
    """By hand: half of two segments changes, one by 2.50 less and one by the same amount."""
    side = {"actions": {"a": 2}, "tiers": {"t": 2}, "discount_minor": 500, "mails": 1}
    more = {**side, "actions": {"b": 2}, "discount_minor": 250}
    whole = {"cases": 2, "changed": 1, "before": side, "after": more}
    figures = {**whole, "segments": {"s": whole}, "currency": "USD"}

    told = tell({**figures, "moved_minor": {"-200": 1, "0": 1}, "skipped": {"erased": 3}})
    tables = {chart.title: chart.rows for chart in told.charts}

    assert ("left out: erased", "3") in told.summary
    assert tables["Who is treated otherwise"] == (("(all)", "50.0 %"), ("s", "50.0 %"))
    assert [row[0] for row in tables["By how much decisions change"]] == [
        "−2.00 USD",
        "as before",
    ]
    assert told.segments[0] == ("(all)", "2", "1", "1 → 1", "5.00 USD → 2.50 USD")


# --- storing ------------------------------------------------------------------------------------


def upload(browser: Browser, text: str, **fields: str) -> Any:
    """Paste a document and press the button."""
    form = browser.page("/console/policies").form_to("/policies")
    return browser.submit(form, document=text, **fields)


@pytest.mark.parametrize("as_json", [False, True])
def test_a_pasted_policy_is_stored_under_its_hash_with_its_author(
    browser: Browser, as_json: bool
) -> None:
    """TOML as people write it, JSON as the interface takes it: the same document."""
    text = TOML.replace("discount_basis_points = 500", "discount_basis_points = 900")
    policy = policy_from_toml(text)
    response = upload(browser, json.dumps(policy.model_dump(mode="json")) if as_json else text)

    assert response.headers["Location"] == f"{HOME}/policies/{step(policy.hash)}"
    page = browser.page(f"/console/policies/{policy.hash}")
    assert "price_tiers[winback].discount_basis_points" in page.text
    assert "None is stored with it." in page.text


def test_a_file_is_taken_as_it_is(browser: Browser) -> None:
    """As a browser posts a form with a file: umlauts, line ends of Windows, a byte order mark."""
    text = "# für später: é\n" + TOML.replace("basis_points = 500", "basis_points = 900")
    content = b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()

    assert post_file(browser, content).status_code == 303
    broken = Document(post_file(browser, content + b"\r\nx = ").body.decode())
    assert "für später: é" in broken.text
    assert list(browser.shop.store.all("policy")) == [f"policy#{policy_from_toml(text).hash}"]


def post_file(browser: Browser, content: bytes, *, token: str | None = None) -> Any:
    """Choose a file and press the button."""
    form = browser.page("/console/policies").form_to("/policies")
    lines = []
    for name, value in {**form.fields, "form": token or form.fields["form"]}.items():
        if name == "file":
            head = 'Content-Disposition: form-data; name="file"; filename="../../é.toml"'
            lines += [b"--x", head.encode(), b"Content-Type: application/toml", b"", content]
        else:
            head = f'Content-Disposition: form-data; name="{name}"'
            lines += [b"--x", head.encode(), b"", value.encode()]
    body = b"\r\n".join([*lines, b"--x--", b""])
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    return browser._send("POST", form.action, body, headers)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is missing: choose a file or paste the document"),
        ("name = ", "is not TOML: Invalid value (at end of document)"),
        ("a = 1\nb = = 2", "line 2"),
        ("{", "is not JSON"),
        ("a = " + "[" * 5_000, "policy"),
        ('{"a": ' + "[" * 5_000, "is not JSON"),
        (TOML.replace('segments = ["at_risk"]', 'segments = ["nobody"]', 1), "segments"),
        ("a" * (LARGEST_BODY_BYTES + 1), "must be at most 262,144 bytes, not 262,145"),
        (TOML.replace("share_percent", "share_percnt", 1), "holdout.share_percent"),
    ],
)
def test_what_is_wrong_with_a_policy_is_named_and_nothing_is_stored(
    browser: Browser, text: str, says: str
) -> None:
    """The text stays in the form, so that it can be mended where it is."""
    response = upload(browser, text)
    page = Document(response.body.decode())

    assert response.status_code == 422
    assert "Nothing was stored." in page.text
    assert says in page.text
    assert " ".join(text.split())[:200] in page.text
    assert browser.shop.store.all("policy") == {}


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"\xff\xfe\x00", 400), (b"x" * (LARGEST_UPLOAD_BYTES + 1), 413)],
)
def test_a_file_that_is_no_text_or_too_long_is_refused(
    browser: Browser, content: bytes, status: int
) -> None:
    """Before anything is read of it."""
    assert post_file(browser, content).status_code == status
    assert browser.shop.store.all("policy") == {}


def test_a_file_without_the_sessions_token_is_refused(browser: Browser) -> None:
    """As every other form; and a form with files is taken where a file is asked for alone."""
    assert post_file(browser, TOML.encode(), token="x").status_code == 403
    response = browser._send(
        "POST", "/console/breaker", b"", {"Content-Type": "multipart/form-data; boundary=x"}
    )
    assert response.status_code == 415


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--x\r\n\r\nno name\r\n--x--\r\n",
        b'--x\r\nContent-Disposition: form-data; name="form"\r\n\r\n1\r\n' * 2 + b"--x--\r\n",
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' * 40 + b"--x--\r\n",
        b"--x\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n--y\r\n\r\n1\r\n--y--\r\n--x--",
    ],
)
def test_a_form_that_cannot_be_taken_apart_is_refused(browser: Browser, body: bytes) -> None:
    """By a clear page, whatever a program sends."""
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert browser._send("POST", "/console/policies", body, headers).status_code == 400


# --- the breaker --------------------------------------------------------------------------------


def opened(shop: Storefront) -> None:
    """Let the breaker stand open."""
    tally = Tally({NOW // DAY_SECONDS: Counts(sent=2_000, bounced=100)})
    shop.store.write([Put(BREAKER.key("0"), tally, WHATEVER)], now=NOW)


def test_the_breaker_asks_says_what_happens_and_begins_anew(browser: Browser) -> None:
    """With the reason kept and one audit line that names the key."""
    shop = browser.shop
    opened(shop)
    overview = browser.page("/console")
    assert f"{HOME}/breaker" in overview.all("a", "href")

    page = browser.page("/console/breaker")
    assert "2,000 mails of the last 7 days, 100 of them bounced" in page.text
    assert "Marketing mail leaves again with the very next send" in page.text
    response = browser.submit(page.form_to("/breaker"), reason="the list of May is deleted")

    assert response.headers["Location"] == HOME
    after = browser.page("/console").text
    assert "closed Marketing mail may leave." in after
    assert "the list of May is deleted" in after
    [line] = shop.lines("breaker_reset")
    assert (line["reason"], line["state"], line["mails"]) == (
        "the list of May is deleted",
        "breaker_bounces",
        2_000,
    )
    assert len(line["key_id"]) == 12


@pytest.mark.parametrize(
    ("reason", "says"),
    [("", "one line of 1 to 200"), ("x" * 201, "one line"), ("a@example.com", "an address")],
)
def test_a_reason_that_says_nothing_or_names_somebody_changes_nothing(
    browser: Browser, reason: str, says: str
) -> None:
    """The form comes back with what was typed."""
    opened(browser.shop)
    form = browser.page("/console/breaker").form_to("/breaker")

    response = browser.submit(form, reason=reason)

    assert response.status_code == 422
    page = Document(response.body.decode())
    assert says in page.text
    assert page.form_to("/breaker").fields["reason"] == reason
    assert browser.shop.store.one(RESTARTS.key(RESTARTS_NAME)) is None
