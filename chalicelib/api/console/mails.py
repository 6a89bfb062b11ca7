"""Mails by state, and dropped files with what was rejected of them."""

from __future__ import annotations

from chalicelib.api import mail_table
from chalicelib.api.console.operator import Answered, Operator
from chalicelib.console.drop_page import SHOWN_BYTES, drop_page, drops_page
from chalicelib.console.message_page import OFFERED, messages_page
from chalicelib.console.page import Download, Elsewhere, Page
from chalicelib.core.errors import BadInput, NotFound, TooLarge
from chalicelib.flows import read
from chalicelib.flows.list_drops import list_drops
from chalicelib.flows.list_mails import LARGEST_PAGE, list_mails

PAGE = 50
DROPS = 25
# An answer of Lambda holds 6 MB, and JSON around the text takes some of it.
LARGEST_DOWNLOAD_BYTES = 4_000_000


def show_messages(operator: Operator) -> Answered:
    """``GET /console/messages``: who was sent a mail, who was not, and why."""
    state = operator.query("state") or "not_sent"
    if state not in OFFERED:
        raise BadInput.of("state", f"must be one of {', '.join(OFFERED)}")
    as_csv = operator.query("format") == "csv"
    page = list_mails(
        state,
        store=operator.store,
        keys=operator.keys,
        now=operator.now,
        limit=LARGEST_PAGE if as_csv else PAGE,
        cursor=operator.query("cursor"),
    )
    if as_csv:
        return Download(mail_table.as_csv(page), "text/csv; charset=utf-8", f"{state}.csv")
    return messages_page(page, state=state, cursor=operator.query("cursor"))


def show_drops(operator: Operator) -> Answered:
    """``GET /console/drops``: the latest, and the way to one by its id."""
    asked = (operator.query("drop_id") or "").strip()
    if asked:
        return Elsewhere(operator.site.path("drops", asked))
    cursor, now = operator.query("cursor"), operator.now
    page = list_drops(store=operator.store, keys=operator.keys, now=now, limit=DROPS, cursor=cursor)
    return drops_page(page, cursor=cursor, now=now)


def show_drop(operator: Operator, drop_id: str) -> Page:
    """``GET /console/drops/{drop_id}``: how far it is, and the first of what was rejected."""
    now = operator.now
    drop = read.find_drop(drop_id, store=operator.store, now=now)
    if not drop.counts.get("rejected") or drop.state == "RUNNING":
        return drop_page(drop, now=now, rejects=None)
    try:
        beginning = operator.edge.results.read(_rejects_of(drop_id), most_bytes=SHOWN_BYTES)
    except NotFound:
        return drop_page(drop, now=now, rejects=None, are_gone=True)
    return drop_page(drop, now=now, rejects=beginning)


def download_rejects(operator: Operator, drop_id: str) -> Download:
    """``GET /console/drops/{drop_id}/rejects``; raises TooLarge for what an answer cannot hold."""
    read.find_drop(drop_id, store=operator.store, now=operator.now)
    key = _rejects_of(drop_id)
    whole = operator.edge.results.read(key, most_bytes=LARGEST_DOWNLOAD_BYTES)
    if not whole.is_whole:
        raise TooLarge.of(
            "rejects", f"has {whole.size:,} bytes; copy {key} from the results bucket instead"
        )
    return Download(whole.body.decode(), "text/csv; charset=utf-8", "rejects.csv")


def _rejects_of(drop_id: str) -> str:
    return f"results/{drop_id}/rejects.csv"
