"""What every request for a page passes through: session, form token, scope, errors as pages.

The session's key is looked up with each request, not taken from memory: a key that was revoked ends
its sessions with the next click, and a console that cannot ask storage shows nothing.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from chalice.app import Request

from chalicelib.api.boundary import Answer, correlation_of, refuse
from chalicelib.api.console.forms import read_form
from chalicelib.api.console.operator import Answered, NeedsScope, Operator, Route
from chalicelib.api.edge import Edge, GetEdge
from chalicelib.console.page import FOREVER, FRESH, SAFE, Download, Elsewhere, OwnFile, Page
from chalicelib.console.problem_page import problem_page
from chalicelib.console.render import Frame, render
from chalicelib.console.session import (
    VISIT_SECONDS,
    Session,
    SignedOut,
    check_form_token,
    is_visit,
    open_visit,
    read_session,
)
from chalicelib.console.site import Site, cookie_of
from chalicelib.core.control import ApiKey
from chalicelib.core.kinds import API_KEY

FORM_TOKEN = "form"  # noqa: S105  (the name of a field)
HTML = "text/html; charset=utf-8"
ENTRANCE = "sign-in"


def enter(route: Route, request: Request, get_edge: GetEdge, ids: Sequence[str]) -> Answer:
    """Answer a request for a page; whatever goes wrong is a page as well."""
    operator = None
    try:
        if route.is_file:
            return _handed_out(route.view(*map(unquote, ids)))
        operator = _recognise(route, request, get_edge())
        _check_form(operator)
        _check_scope(route, operator)
        answered = route.view(operator, *map(unquote, ids))
        return _told(answered, operator, route)
    except SignedOut as out:
        return _to_entrance(out, request, get_edge())
    except Exception as error:
        return _problem(error, request, get_edge, operator)


def _recognise(route: Route, request: Request, edge: Edge) -> Operator:
    """Who asks; raises SignedOut where only somebody who signed in may."""
    now, keys = edge.now(), edge.patient().keys()
    cookie = cookie_of(request.headers.get("cookie"))
    form: dict[str, str] = {}
    if request.method == "POST":
        form = read_form(request, most_bytes=route.largest_form_bytes)
    key_id: str | None = None
    scopes: tuple[str, ...] = ()
    try:
        session = read_session(keys, cookie, now=now)
        api_key = _key_of(session, edge)
        key_id, scopes = api_key.key_id, api_key.scopes
        request.context["authorizer"] = {"principalId": key_id}  # the log line names the key
    except SignedOut:
        if not route.is_open:
            raise
        if not is_visit(keys, cookie, now=now):
            is_first = request.method == "GET"
            cookie = open_visit(keys, nonce=edge.new_secret(), now=now) if is_first else ""
    return Operator(edge, request, cookie, key_id, scopes, now, correlation_of(request), form)


def _key_of(session: Session, edge: Edge) -> ApiKey:
    """The key of a session as storage has it now; raises SignedOut where it may no longer."""
    key = API_KEY.key(session.key_hash)
    api_key = edge.key_store().read([key], now=edge.now()).value(key)
    if (
        api_key is None
        or api_key.revoked_at is not None
        or "operate" not in api_key.scopes
        or not hmac.compare_digest(api_key.key_id, session.key_id)
    ):
        raise SignedOut(expired=True)
    return api_key


def _check_form(operator: Operator) -> None:
    if operator.request.method == "POST":
        check_form_token(operator.keys, operator.cookie, operator.form.pop(FORM_TOKEN, ""))


def _check_scope(route: Route, operator: Operator) -> None:
    if route.scope is not None and not operator.may(route.scope):
        raise NeedsScope(route.scope)


def _told(answered: Answered, operator: Operator, route: Route) -> Answer:
    match answered:
        case Page():
            headers = {"Content-Type": HTML, **FRESH}
            if operator.key_id is None:
                headers["Set-Cookie"] = operator.site.set_cookie(
                    operator.cookie, seconds=VISIT_SECONDS
                )
            html = render(answered, _frame(operator, route.section))
            return _answer(html, headers, status=answered.status)
        case Elsewhere(location, cookie):
            headers = {"Content-Type": HTML, "Location": location, **FRESH}
            if cookie is not None:
                headers["Set-Cookie"] = cookie
            return _answer("", headers, status=303)
        case Download(text, content_type, name):
            saved = f'attachment; filename="{name}"'
            headers = {"Content-Type": content_type, "Content-Disposition": saved, **FRESH}
            return _answer(text, headers)
        case OwnFile():
            return _handed_out(answered)


def _handed_out(file: Answered) -> Answer:
    if not isinstance(file, OwnFile):
        raise TypeError("this route hands out files alone")
    return _answer(file.text, {"Content-Type": file.content_type, **FOREVER})


def _to_entrance(out: SignedOut, request: Request, edge: Edge) -> Answer:
    """To the sign-in page; a script is told so in a header, since it would follow blindly."""
    site = Site.under(edge.public_url)
    entrance = site.path(ENTRANCE) + ("?expired=1" if out.expired else "")
    headers = {"Content-Type": HTML, **FRESH}
    if request.headers.get("hx-request") == "true":
        return _answer("", {**headers, "HX-Redirect": entrance}, status=401)
    return _answer("", {**headers, "Location": entrance}, status=303)


def _problem(
    error: Exception, request: Request, get_edge: GetEdge, operator: Operator | None
) -> Answer:
    """An error as a page, logged and counted as everywhere else."""
    refused = refuse(error, correlation_id=correlation_of(request))
    page = problem_page(
        error, status=int(refused.status_code), correlation_id=correlation_of(request)
    )
    headers = {"Content-Type": HTML, **FRESH}
    if "Retry-After" in refused.headers:
        headers["Retry-After"] = str(refused.headers["Retry-After"])
    try:
        site = Site.under(get_edge().public_url)
        frame = Frame(site, "", None, "") if operator is None else _frame(operator, "")
        html = render(page, frame)
    except Exception:  # not even settings or templates can be read
        html = f"<!doctype html><title>{page.title}</title><h1>{page.title}</h1>"
    return _answer(
        html,
        headers,
        status=page.status,
        metrics=refused.metrics,
        fields=refused.fields,
    )


def _frame(operator: Operator, section: str) -> Frame:
    return Frame(operator.site, section, operator.key_id, operator.form_token)


def _answer(
    body: str,
    headers: Mapping[str, str],
    *,
    status: int = 200,
    metrics: Mapping[str, float] | None = None,
    fields: Mapping[str, Any] | None = None,
) -> Answer:
    return Answer(body, status=status, headers={**SAFE, **headers}, metrics=metrics, fields=fields)
