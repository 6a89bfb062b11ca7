"""What holds of every page of the console, whatever stands in the data that it shows."""

from __future__ import annotations

import doctest
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

import app as segue
from chalicelib.api.console.table import PAGES
from chalicelib.api.scopes import CONSOLE
from chalicelib.console import decision_page, medians, policy_diff, render, segments_page, site
from chalicelib.console.problem_page import problem_page
from chalicelib.core import simulation_job
from chalicelib.core.canonical import sha256_hex
from chalicelib.core.contact import Contact, Stamped
from chalicelib.core.control import Failure
from chalicelib.core.effects import effect_id
from chalicelib.core.errors import Refused
from chalicelib.core.facts import Facts
from chalicelib.core.instants import Instant
from chalicelib.core.kinds import (
    DROP,
    EFFECT,
    FACTS,
    ROLLUP,
    SIMULATION,
    SIZES,
    STORED_POLICY,
)
from chalicelib.core.policy_life import Listed, PolicyLog, Simulation, StoredPolicy
from chalicelib.core.rollup import NOWHERE, Rollup, hour_of, name_of
from chalicelib.core.segment_sizes import Sizes, day_of
from chalicelib.core.storage import WHATEVER, Put
from chalicelib.core.subject import customer
from chalicelib.flows.policies import LOG_KEY
from ops.places import ROOT
from ops.staging import Build, stage
from tests.browser import HOME, Browser, Document, step
from tests.functional.test_console_mails import DONE, DROP_ID, REJECTS
from tests.functional.test_list_mails import MAIL
from tests.makers import order_event
from tests.storefront import TEXAS, Storefront, open_storefront
from tests.unit.core.situations import NOW

SCRIPT = "<script>alert(1)</script>"
IMAGE = '"><img src=x onerror=alert(1)>'
SINGLE = "'><svg onload=alert(1)>"
TEMPLATE = "{{ 7 * 191 }}{% raw %}"
WEEK = 7 * 86_400
EVIL = f"{SCRIPT}{IMAGE}{SINGLE}"
WHO = f"{IMAGE}{TEMPLATE}"
HASH = "sha256:" + "ab" * 32
HTMX_SHA256 = "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717"
# The most calls that making a page may cost: none of them grows with the shop.
MOST_CALLS = 26


class Asked(NamedTuple):
    """A page by its address, and the status that it comes with."""

    path: str
    status: int = 200


@pytest.fixture(scope="module")
def shop() -> Iterator[Storefront]:
    """A shop in which everything that anybody may write is an attack on whoever reads it."""
    with open_storefront() as storefront:
        at = NOW - 60
        fields = {
            name: Stamped(value, at)
            for name, value in (("first_name", EVIL), ("email", "a@example.com"), ("country", "US"))
        }
        supplied = {"shoe_size": Stamped(EVIL, at), "club": Stamped(True, at)}
        storefront.knows(Contact(customer(WHO), fields, supplied))
        order = order_event("Order Completed", EVIL, user=WHO, total=30, at=at)
        view = {
            "type": "track",
            "event": "Product Viewed",
            "userId": WHO,
            "messageId": "m-1",
            "properties": {"sku": SCRIPT[:60]},
        }
        told = storefront.call("POST", "/v1/events", body={"batch": [order, view]})
        assert told.json_body["accepted"] == 2, told.json_body
        cart = {"lines": [{"sku": IMAGE, "quantity": 1, "unit_price": 1999}]}
        context = {**TEXAS, "session_id": EVIL}
        answer = storefront.call(
            "POST",
            "/v1/decisions",
            body={"customer_id": WHO, "context": context, "cart": cart},
        )
        assert answer.status_code == 200, answer.body
        mail = replace(
            MAIL,
            effect_id=effect_id("evil"),
            subject_key=customer(WHO).key,
            action=IMAGE,
            decision_id=answer.json_body["decision_id"],
            state="SUPPRESSED",
            reason=EVIL,
            payload={"purpose": SCRIPT},
        )
        drop = replace(
            DONE,
            key=EVIL,
            reason=EVIL,
            state="PARTIAL",
            failed_parts=(EVIL,),
            failures=(Failure(EVIL, EVIL),),
        )
        running = replace(DONE, drop_id="e" * 32, key=EVIL, state="RUNNING")
        document = {
            **storefront.rules.policy.model_dump(mode="json"),
            "name": EVIL,
            EVIL: {EVIL: EVIL},
        }
        simulation = Simulation(EVIL, NOW, EVIL, {EVIL: EVIL})
        stored = StoredPolicy(document, EVIL, NOW, (simulation, evil_figures()))
        asked = simulation_job.Asked()
        job = simulation_job.Job(
            EVIL,
            EVIL,
            asked,
            storefront.rules.policy.hash,
            *(NOW, NOW, "FAILED"),
            reason=EVIL,
            skipped={EVIL: 1},
        )
        storefront.store.write(
            [
                Put(EFFECT.key(mail.effect_id), mail, WHATEVER),
                Put(DROP.key(DROP_ID), drop, WHATEVER),
                Put(DROP.key(running.drop_id), running, WHATEVER),
                Put(STORED_POLICY.key(HASH), stored, WHATEVER),
                Put(SIMULATION.key(HASH), job, WHATEVER),
                *evil_segments(),
                Put(LOG_KEY, PolicyLog((Listed(HASH, EVIL, EVIL, NOW),)), WHATEVER),
            ],
            now=NOW,
        )
        table = f'record,column,value,reason\n1,"{SCRIPT}","{SINGLE}",{TEMPLATE}\n'
        storefront.objects.arrive("results", key=REJECTS, body=table.encode())
        yield storefront


def evil_figures() -> Simulation:
    """A simulation in the form of ours, whose every name is an attack."""
    side = {"actions": {EVIL: 1}, "tiers": {EVIL: 1}, "discount_minor": 5, "mails": 1}
    whole = {"cases": 2, "changed": 1, "before": side, "after": side}
    figures = {**whole, "segments": {EVIL: whole}, "moved_minor": {"-5": 1}, "currency": "USD"}
    return Simulation(EVIL, NOW, EVIL, {**figures, "skipped": {EVIL: 1}})


def evil_segments() -> list[Put[Any]]:
    """A segment whose name is an attack, counted in two nights, with people who come and go."""
    hour = name_of(hour_of(NOW), "effects")
    counts = {f"moved|{NOWHERE}|{EVIL}": 3, f"moved|{EVIL}|at_risk": 2}
    nights = (Sizes(at, {EVIL: 9, "at_risk": 4}, is_whole=True) for at in (NOW - WEEK, NOW))
    who = Facts(customer(IMAGE), segment=EVIL, segment_at=Instant(NOW))
    return [
        Put(ROLLUP.key(hour), Rollup(counts), WHATEVER),
        *(Put(SIZES.key(day_of(each.at)), each, WHATEVER) for each in nights),
        Put(FACTS.key(who.subject.key), who, WHATEVER),
    ]


def pages(shop: Storefront) -> list[Asked]:
    """The address of every page that there is, with what the shop above holds."""
    [decision_id] = [key.removeprefix("d#") for key in shop.store.all("record")]
    who = f"/console/customers/{step(WHO)}"
    return [
        Asked("/console"),
        Asked("/console/switches/sending"),
        Asked("/console/customers"),
        Asked(who),
        Asked(f"{who}/erase"),
        Asked(f"/console/decisions/{decision_id}"),
        Asked("/console/messages"),
        Asked("/console/messages?state=SUPPRESSED"),
        Asked("/console/drops"),
        Asked(f"/console/drops/{DROP_ID}"),
        Asked("/console/policies"),
        Asked(f"/console/policies/{HASH}"),
        Asked(f"/console/policies/{HASH}/simulation"),
        Asked("/console/breaker"),
        Asked("/console/model"),
        Asked("/console/experiments"),
        Asked("/console/experiments/programme"),
        Asked("/console/experiments/action:a-0", 404),
        Asked(f"/console/experiments/{step(EVIL)}", 404),
        Asked("/console/segments"),
        Asked("/console/segments?days=28"),
        Asked(f"/console/segments/{step(EVIL)}"),
        Asked("/console/segments/at_risk?days=28"),
        Asked(f"/console/segments/{step(SCRIPT)}", 404),
        Asked(f"/console/segments?days={step(EVIL)}", 422),
        Asked(f"/console/customers/{step(EVIL)}", 404),
        Asked(f"/console/decisions/{step(EVIL)[:100]}", 404),
        Asked(f"/console/policies/{step(EVIL)}", 404),
        Asked(f"/console/messages?state={step(EVIL)}", 422),
    ]


def answers(shop: Storefront) -> Iterator[tuple[str, Document]]:
    """Every page, those that answer a form among them."""
    browser = Browser(shop)
    yield "sign-in", browser.page("/console/sign-in")
    form = browser.page("/console/sign-in").form_to("/sign-in")
    yield "refused", Document(browser.submit(form, key=EVIL).body.decode())
    browser.sign_in()
    for asked in pages(shop):
        yield asked.path, browser.page(asked.path, status=asked.status)
    lookup = browser.page("/console/customers").form_to("/customers")
    for typed in (SCRIPT, "x@example.com", EVIL * 9):
        yield f"look up {typed}", Document(browser.submit(lookup, customer=typed).body.decode())
    upload = browser.page("/console/policies").form_to("/policies")
    for typed in (EVIL, '{"' + SCRIPT + '": 1}'):
        response = browser.submit(upload, document=typed)
        yield f"store {typed}", Document(response.body.decode())
    reset = browser.page("/console/breaker").form_to("/breaker")
    yield "reset", Document(browser.submit(reset, reason=f"a@b {EVIL}").body.decode())
    erase = browser.page(f"/console/customers/{step(WHO)}/erase").form_to("/erase")
    yield "erase", Document(browser.submit(erase, typed=EVIL).body.decode())
    decision = next(asked.path for asked in pages(shop) if "/decisions/" in asked.path)
    replay = browser.page(decision).form_to("/replay")
    yield "replay", Document(browser.submit(replay).body.decode())


def test_no_value_becomes_markup_and_nothing_runs_inline(shop: Storefront) -> None:
    """No tag, attribute or template comes out of data; no page has a script, style or handler."""
    for name, page in answers(shop):
        tags = {tag for tag, _ in page.tags}
        assert not tags & {"img", "style", "iframe", "object", "base"}, name
        assert {tag for tag, values in page.tags if tag == "script"} == {"script"}, name
        for tag, values in page.tags:
            assert tag != "script" or (values.keys() == {"src", "defer"}), name
            assert not [each for each in values if each.startswith("on") or each == "style"], name
            assert not [
                each for each in values if each.startswith(("hx-on", "hx-vals", "hx-vars"))
            ], name
            for value in values.values():
                assert not (value or "").strip().lower().startswith(("javascript:", "vbscript:")), (
                    name
                )
        assert "1337" not in page.text, name


def test_what_was_written_is_read_as_it_was_written(shop: Storefront) -> None:
    """Escaped, not dropped: the operator sees the attack as text."""
    browser = Browser(shop).sign_in()
    profile = browser.page(f"/console/customers/{step(WHO)}").text

    for told in (WHO, EVIL, SCRIPT[:60]):
        assert " ".join(told.split()) in profile
    assert SCRIPT in browser.page(f"/console/drops/{DROP_ID}").text
    assert EVIL in browser.page(f"/console/policies/{HASH}").text


def test_no_page_names_another_host(shop: Storefront) -> None:
    """Every address is a path of ours, so that a page asks nobody else for anything."""
    for name, page in answers(shop):
        for attribute in ("href", "src", "action", "hx-get", "hx-post"):
            for tag, values in page.tags:
                address = values.get(attribute)
                ours = address is None or address.startswith(HOME) or address in ("#main", "data:,")
                assert ours, (name, tag, attribute, address)


def test_no_link_is_dead(shop: Storefront) -> None:
    """Whatever a page leads to answers with 200, or with a file."""
    browser = Browser(shop).sign_in()
    addresses: dict[str, str] = {}
    for asked in pages(shop):
        page = browser.page(asked.path, status=asked.status)
        for tag, attribute in (("a", "href"), ("link", "href"), ("script", "src"), ("a", "hx-get")):
            found = [each for each in page.all(tag, attribute) if each.startswith(HOME)]
            addresses |= dict.fromkeys(found, asked.path)

    assert len(addresses) > 15
    for address, found_on in addresses.items():
        assert browser.get(address).status_code == 200, (address, found_on)


def test_every_page_is_made_without_a_scan_and_with_few_calls(shop: Storefront) -> None:
    """Each call is a read by key or one query of an index, and their number is small."""
    browser = Browser(shop).sign_in()
    for asked in pages(shop):
        shop.store.calls.clear()
        browser.page(asked.path, status=asked.status)
        calls = shop.calls()
        assert len(calls) <= MOST_CALLS, (asked.path, calls)
        assert set(calls) <= {"read", "recent_decisions", "listed", "members"}, (asked.path, calls)


def test_ten_thousand_customers_cost_no_call_more(shop: Storefront) -> None:
    """Nor do as many mails: the same calls as with a handful of both."""
    browser = Browser(shop).sign_in()
    before = {}
    for asked in pages(shop):
        browser.page(asked.path, status=asked.status)
        before[asked.path] = shop.calls()
    for number in range(0, 10_000, 500):
        writes: list[Put[Any]] = [
            Put(
                EFFECT.key(effect_id(f"many {each}")),
                replace(
                    MAIL, effect_id=effect_id(f"many {each}"), subject_key=customer(f"m-{each}").key
                ),
                WHATEVER,
            )
            for each in range(number, number + 500)
        ]
        writes += [
            Put(FACTS.key(facts.subject.key), facts, WHATEVER)
            for each in range(number, number + 500)
            for facts in [Facts(customer(f"m-{each}"), last_seen_at=Instant(NOW))]
        ]
        for start in range(0, len(writes), 100):
            shop.store.write(writes[start : start + 100], now=NOW)
    shop.store.calls.clear()

    for asked in pages(shop):
        browser.page(asked.path, status=asked.status)
        assert shop.calls() == before[asked.path], asked.path


def test_every_page_can_be_used_by_keyboard_and_read_aloud(shop: Storefront) -> None:
    """A language, one heading, a way past the head, labels for fields and names for columns."""
    for name, page in answers(shop):
        assert ("html", {"lang": "en"}) in page.tags, name
        assert [tag for tag, _ in page.tags].count("h1") == 1, name
        assert page.all("a", "href")[0] == "#main", name
        assert "width=device-width, initial-scale=1" in page.all("meta", "content"), name
        assert "light dark" in page.all("meta", "content"), name
        labelled = set(page.all("label", "for"))
        for tag, values in page.tags:
            if tag in ("input", "select") and values.get("type") not in ("hidden", "checkbox"):
                assert values.get("id") in labelled, (name, values)
            if tag == "th":
                assert values.get("scope") in ("row", "col"), (name, values)
            assert (values.get("tabindex") or "0") in ("0", "-1"), name


def test_a_part_that_is_looked_at_again_is_no_page_and_asks_little(shop: Storefront) -> None:
    """No head of its own, nothing of markup in it, and one read whatever the shop holds."""
    browser = Browser(shop).sign_in()
    part = browser.page("/console/activity")

    assert not {tag for tag, _ in part.tags} & {"html", "main", "script", "h1", "style", "img"}
    assert shop.calls() == ["read"]


def test_every_form_that_changes_something_carries_a_token(shop: Storefront) -> None:
    """Bound to the session; what a GET form asks changes nothing."""
    for name, page in answers(shop):
        for form in page.forms:
            assert form.method in ("get", "post"), name
            assert bool(form.fields.get("form")) is (form.method == "post"), (name, form)


def test_every_route_has_a_page_and_the_closed_ones_lead_to_the_entrance(shop: Storefront) -> None:
    """Whoever adds a route without a session in front of it is told here."""
    routes = {
        (method, path)
        for path, methods in segue.app.routes.items()
        for method in methods
        if path.startswith("/console")
    }
    assert routes == CONSOLE
    assert len(PAGES) == len(CONSOLE)

    opened = set()
    for method, path in sorted(CONSOLE):
        concrete = "/".join("x" if part.startswith("{") else part for part in path.split("/"))
        browser = Browser(shop)
        shop.store.calls.clear()
        response = browser.get(concrete) if method == "GET" else browser.post(concrete, {})
        if response.status_code != 303:
            opened.add((method, path, response.status_code))
        else:
            assert response.headers["Location"] == f"{HOME}/sign-in"
        assert shop.calls() == []
    assert opened == {
        ("GET", "/console/sign-in", 200),
        ("POST", "/console/sign-in", 403),
        ("GET", "/console/static/{name}", 404),
    }


def test_the_script_is_the_published_one_with_its_licence() -> None:
    """Htmx 2.0.11 as npm has it, dist/htmx.min.js, to the byte; it asks no other host."""
    folder = ROOT / "chalicelib" / "console" / "static"
    script = (folder / "htmx.js").read_bytes()

    assert sha256_hex(script) == HTMX_SHA256
    assert "Zero-Clause BSD" in (folder / "htmx.LICENSE.txt").read_text()
    assert b"http://" not in script
    assert b"https://" not in script


def test_templates_and_files_are_in_the_package(tmp_path: Path) -> None:
    """What stands beside the code is staged with it; the stylesheet stays a small one."""
    stage(ROOT, tmp_path / "stage", Build(), with_dependencies=False)
    console = Path("chalicelib") / "console"
    for folder in ("templates", "static"):
        ours = {path.name: path.read_bytes() for path in (ROOT / console / folder).iterdir()}
        staged = (tmp_path / "stage" / console / folder).iterdir()
        assert {path.name: path.read_bytes() for path in staged} == ours
        assert ours

    assert (ROOT / console / "static" / "console.css").stat().st_size < 12_000


def test_a_refusal_without_words_of_its_own_is_told_as_it_is_called() -> None:
    """No reason is swallowed."""
    page = problem_page(Refused("some_rule"), status=409, correlation_id="r-1")

    assert page.values["said"] == [("", "some rule")]


@pytest.mark.parametrize(
    "module",
    [decision_page, medians, policy_diff, render, segments_page, site],
    ids=lambda each: each.__name__,
)
def test_the_examples_in_the_docstrings_are_true(module: ModuleType) -> None:
    """Each shows what its function gives."""
    result = doctest.testmod(module)

    assert (result.failed, result.attempted > 0) == (0, True)
