"""What another process may ask of the stand-in and tell it, under ``/_stand_in``.

``GET mails`` lists what was taken with its MIME source in base64 (``mails/12``: all but the first
twelve), ``GET posts`` every request,
``GET events`` what was published; ``POST script`` takes ``{"steps": […]}``
(``script.step_from_json``), which come after those that are left unless ``"clear": true`` stands
beside them, ``POST fates`` ``{"address": …, "fates": […]}``, ``POST happen``
``{"message_id": …, "fates": […]}``, ``POST events`` ``{"do": "hold"}``,
``{"do": "duplicate", "copies": 2}`` or ``{"do": "release", "seed": 7, "copies": 2}``, and
``POST account`` changes fields of the account and verifies identities.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from ops.ses.account import Identity
from ops.ses.mails import Mail
from ops.ses.script import step_from_json
from ops.ses.stand_in import Post, SesStandIn

PREFIX = "/_stand_in"
_ACCOUNT_FIELDS = ("production", "max_24_hours", "rate", "sending_enabled", "enforcement")


class Misused(Exception):
    """An admin request that says nothing the stand-in knows."""


def administer(
    stand_in: SesStandIn, method: str, path: str, body: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Answer one admin request; raises Misused."""
    what = path.removeprefix(PREFIX)
    try:
        return _tell(stand_in, what) if method == "GET" else _do(stand_in, what, body)
    except (KeyError, TypeError, ValueError) as error:
        raise Misused(f"{type(error).__name__}: {error}") from error


def _tell(stand_in: SesStandIn, what: str) -> Mapping[str, Any]:
    what, _, after = what.strip("/").partition("/")
    match what:
        case "mails":
            return {"mails": [mail_to_json(mail) for mail in stand_in.mails[int(after or 0) :]]}
        case "posts":
            return {"posts": [_post_to_json(post) for post in list(stand_in.posts)]}
        case "events":
            return {"events": list(stand_in.publisher.published)}
    raise ValueError(f"there is no GET {what}")


def _do(stand_in: SesStandIn, what: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
    match what:
        case "/script":
            if body.get("clear"):
                stand_in.script.clear()
            stand_in.script.add(*(step_from_json(step) for step in body["steps"]))
        case "/fates":
            stand_in.fates.set(body["address"], *body["fates"])
        case "/happen":
            stand_in.happen(body["message_id"], *body["fates"])
        case "/events":
            return _publishing(stand_in, body)
        case "/account":
            _change_account(stand_in, body)
        case _:
            raise ValueError(f"there is no POST {what}")
    return {}


def mail_to_json(mail: Mail) -> dict[str, Any]:
    """A mail as ``inbox`` reads it."""
    return {
        "message_id": mail.message_id,
        "accepted_at": mail.accepted_at,
        "source": mail.source,
        "destination": list(mail.destination),
        "tags": dict(mail.tags),
        "configuration_set": mail.configuration_set,
        "raw": base64.b64encode(mail.raw).decode(),
        "delivered": base64.b64encode(mail.delivered).decode(),
    }


def _post_to_json(post: Post) -> dict[str, Any]:
    return {
        "recipients": list(post.recipients),
        "tags": dict(post.tags),
        "accepted": post.accepted,
        "refused": post.refused,
    }


def _publishing(stand_in: SesStandIn, body: Mapping[str, Any]) -> Mapping[str, Any]:
    publisher = stand_in.publisher
    match body["do"]:
        case "hold":
            publisher.hold()
        case "duplicate":
            publisher.duplicate(int(body["copies"]))
        case "release":
            copies = int(body.get("copies", 1))
            return {"released": publisher.release(seed=body.get("seed"), copies=copies)}
        case other:
            raise ValueError(f"do must be hold, duplicate or release, not {other}")
    return {}


def _change_account(stand_in: SesStandIn, body: Mapping[str, Any]) -> None:
    unknown = set(body) - {*_ACCOUNT_FIELDS, "verified"}
    if unknown:
        raise ValueError(f"an account knows no {', '.join(sorted(unknown))}")
    for name in _ACCOUNT_FIELDS:
        if name in body:
            setattr(stand_in.account, name, body[name])
    for name in body.get("verified", ()):
        stand_in.account.identities.setdefault(name, Identity(name)).verified = True
