"""Who is signed in, in a signed cookie; and that a form came from one of our own pages.

Nothing is kept on the server. The cookie names an API key by its hash and runs out after eight
hours; the key is looked up again with every request, so revoking it ends all of its sessions at
once. Somebody who has not signed in has a cookie as well, so that the form for signing in is bound
to a browser like every other form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.core.canonical import sha256_hex
from chalicelib.core.errors import BadInput, Forbidden
from chalicelib.core.tokens import SigningKeys, sign, verify

COOKIE = "segue_console"
SESSION_SECONDS = 8 * 3600
VISIT_SECONDS = 3600
LONGEST_TOKEN = 1_024
_SESSION, _VISIT, _FORM = "console_session", "console_visit", "console_form"


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who signed in.

    Attributes:
        key_id: the public name of their API key.
        key_hash: the SHA-256 of the key, under which storage knows it.
        expires_at: until when.
    """

    key_id: str
    key_hash: str
    expires_at: int


class SignedOut(Exception):
    """Nobody is signed in, or no longer; ``expired`` says which."""

    def __init__(self, *, expired: bool) -> None:
        self.expired = expired
        super().__init__("expired" if expired else "nobody")


class FormForged(Forbidden):
    """A form that none of our pages made for this session."""


def open_session(keys: SigningKeys, session: Session, *, nonce: str) -> str:
    """The cookie of a session; the nonce makes it another one with every sign-in."""
    payload = {
        "i": session.key_id,
        "h": session.key_hash,
        "e": session.expires_at,
        "n": nonce,
    }
    return sign(keys, purpose=_SESSION, payload=payload)


def read_session(keys: SigningKeys, cookie: str, *, now: int) -> Session:
    """Who a cookie says is signed in; raises SignedOut."""
    payload = _read(keys, cookie, purpose=_SESSION)
    if payload is None:
        raise SignedOut(expired=False)
    session = Session(payload["i"], payload["h"], payload["e"])
    if session.expires_at <= now:
        raise SignedOut(expired=True)
    return session


def open_visit(keys: SigningKeys, *, nonce: str, now: int) -> str:
    """The cookie of somebody who has not signed in."""
    return sign(keys, purpose=_VISIT, payload={"e": now + VISIT_SECONDS, "n": nonce})


def is_visit(keys: SigningKeys, cookie: str, *, now: int) -> bool:
    """Whether this is such a cookie, and still good."""
    payload = _read(keys, cookie, purpose=_VISIT)
    return payload is not None and payload["e"] > now


def form_token(keys: SigningKeys, cookie: str) -> str:
    """What every form of this cookie's owner carries; nothing fits where there is no cookie."""
    if not cookie:
        return ""
    return sign(keys, purpose=_FORM, payload={"c": _mark(cookie)})


def check_form_token(keys: SigningKeys, cookie: str, token: str) -> None:
    """Raise FormForged unless the form was made for the owner of this cookie."""
    payload = _read(keys, token, purpose=_FORM) if cookie else None
    if payload is None or payload["c"] != _mark(cookie):
        raise FormForged.of("form", "is not from this session; go back, reload the page, try again")


def _mark(cookie: str) -> str:
    return sha256_hex(cookie.encode())[:32]


def _read(keys: SigningKeys, token: str, *, purpose: str) -> Mapping[str, Any] | None:
    if not token.isascii() or len(token) > LONGEST_TOKEN:
        return None
    try:
        return verify(keys, token, purpose=purpose, field="token")
    except BadInput:
        return None
