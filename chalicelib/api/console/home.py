"""Signing in and out, how everything stands, and the kill switches."""

from __future__ import annotations

from chalicelib.api.console.forms import field_of
from chalicelib.api.console.operator import Answered, Operator
from chalicelib.console.home_page import (
    sign_in_page,
    switch_page,
)
from chalicelib.console.overview_page import activity_page, overview_page
from chalicelib.console.page import Elsewhere, OwnFile, Page
from chalicelib.console.session import SESSION_SECONDS, Session, open_session
from chalicelib.console.static_files import find_file
from chalicelib.core.canonical import sha256_hex
from chalicelib.core.errors import BadInput, NotFound
from chalicelib.flows import activity, breaker, health, policies, switches
from chalicelib.flows import overview as overviews
from chalicelib.flows.authorize import Caller, RememberedKeys, Unknown, recognise
from chalicelib.telemetry import log_event


def static_file(name: str) -> OwnFile:
    """``GET /console/static/{name}``."""
    return find_file(name)


def show_sign_in(operator: Operator) -> Answered:
    """``GET /console/sign-in``."""
    if operator.key_id is not None:
        return Elsewhere(operator.site.path())
    return sign_in_page(expired=operator.query("expired") is not None)


def sign_in(operator: Operator) -> Answered:
    """``POST /console/sign-in``: a key with the scope operate opens a session of eight hours.

    Nothing slows a guess down, since there is nothing to guess: a key holds 256 random bits.
    """
    text = field_of(operator.form, "key", says="must be an API key; python -m ops key makes one")
    edge = operator.edge
    # No key is taken from memory here: while storage does not answer, nobody signs in.
    who = recognise(
        f"Bearer {text}", store=edge.key_store(), remembered=RememberedKeys(), now=operator.now
    )
    match who:
        case Unknown(reason, key_id):
            log_event("console_refused", reason=reason, key_id=key_id)
            return sign_in_page(problem="This key is not known here, or it was revoked.")
        case Caller(key_id, scopes) if "operate" not in scopes:
            log_event("console_refused", reason="scope", key_id=key_id)
            return sign_in_page(problem="This key does not have the scope operate.")
        case Caller(key_id, _):
            session = Session(key_id, sha256_hex(text.encode()), operator.now + SESSION_SECONDS)
            cookie = open_session(operator.keys, session, nonce=edge.new_secret())
            log_event("console_entered", key_id=key_id)
            site = operator.site
            return Elsewhere(site.path(), site.set_cookie(cookie, seconds=SESSION_SECONDS))


def sign_out(operator: Operator) -> Answered:
    """``POST /console/sign-out``."""
    site = operator.site
    return Elsewhere(site.path("sign-in"), site.set_cookie("", seconds=0))


def overview(operator: Operator) -> Page:
    """``GET /console``: what happens, switches, breaker, budgets, segments, policy, model."""
    edge, store, now = operator.edge, operator.store, operator.now
    book = edge.rulebook()
    shown = policies.show(store=store, packaged=book.packaged, now=now)
    rules = book.follow(shown.log.active, store=store, now=now)
    return overview_page(
        control=switches.read_switches(store=store, now=now),
        standing=breaker.read_standing(store, now=now),
        policies=shown,
        health=health.report(
            rules=rules,
            engine=edge.engine,
            rejected=edge.rejected(),
            version=edge.version,
            python=edge.python,
        ),
        overview=overviews.read_overview(store, policy=rules.policy, now=now),
        currency=rules.policy.default_currency,
    )


def show_activity(operator: Operator) -> Page:
    """``GET /console/activity``: the part of the overview that moves."""
    return activity_page(activity.read_activity(operator.store, now=operator.now))


def ask_switch(operator: Operator, name: str) -> Page:
    """``GET /console/switches/{name}``: what turning it would do."""
    _check_switch(name)
    control = switches.read_switches(store=operator.store, now=operator.now)
    return switch_page(name, control=control)


def turn_switch(operator: Operator, name: str) -> Answered:
    """``POST /console/switches/{name}``."""
    _check_switch(name)
    to = field_of(operator.form, "to", says="must be on or off")
    if to not in ("on", "off"):
        raise BadInput.of("to", "must be on or off")
    store, now = operator.store, operator.now
    control = switches.read_switches(store=store, now=now)
    if control.agreed and getattr(control.switches, name) is (to == "on"):
        return switch_page(name, control=control, already=to)
    switches.flip_one(
        name,
        on=to == "on",
        store=store,
        now=now,
        key_id=operator.named,
        correlation_id=operator.correlation_id,
    )
    return Elsewhere(operator.site.path())


def _check_switch(name: str) -> None:
    if name not in switches.SWITCHES:
        raise NotFound.of("switch", f"names none; there are {', '.join(switches.SWITCHES)}")
