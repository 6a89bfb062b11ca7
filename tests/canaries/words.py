"""Canaries as words, in any field, and in the texts of errors as AWS and bugs write them."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError, ReadTimeoutError
from jinja2 import TemplateError, UndefinedError

from chalicelib.core.errors import Broken, MailInDoubt, MailRefused, MailThrottled, Transient
from chalicelib.core.storage import Conflict

CANARY = "quokka"
# What stands only in contacts: not even a decision, an effect or an event may hold these.
NAME = "Quokkaname"
DOMAIN = "quokka-mail.example"


class Quoting:
    """An AWS client whose every call fails with a text that quotes the canary."""

    def __init__(self, chance: Random) -> None:
        """Take what chooses between the ways to fail."""
        self._chance = chance

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        """Any operation."""

        def fail(**request: Any) -> Any:
            text = f"{CANARY}@example.com is bad: {request}"
            code, status = self._chance.choice(
                [
                    ("ValidationException", 400),
                    ("InternalServerError", 500),
                    ("MessageRejected", 400),
                    ("MailFromDomainNotVerifiedException", 400),
                    ("AccessDeniedException", 400),
                    ("ConditionalCheckFailedException", 400),
                    ("TransactionCanceledException", 400),
                    ("ThrottlingException", 400),
                ]
            )
            response: Any = {
                "Error": {"Code": code, "Message": text},
                "ResponseMetadata": {"HTTPStatusCode": status, "RequestId": "r"},
                "CancellationReasons": [{"Code": "ValidationError", "Message": text}],
                "Item": {"body": {"S": text}},
            }
            errors: list[Exception] = [
                ClientError(response, operation),
                ParamValidationError(report=text),
                ReadTimeoutError(endpoint_url=f"https://example.com/{CANARY}"),
            ]
            raise self._chance.choice(errors)

        return fail


class Sometimes:
    """Storage that now and then is one on AWS that refuses and quotes."""

    def __init__(self, store: Any, broken: Any, chance: Random) -> None:
        """Take both, and what chooses."""
        self._store, self._broken, self._chance = store, broken, chance

    def __getattr__(self, name: str) -> Any:
        """A call of one or the other."""
        calls = ("read", "write", "due", "recent_decisions", "belongings", "overdue", "listed")
        quotes = name in calls and self._chance.random() < 0.2
        return getattr(self._broken if quotes else self._store, name)


def error(chance: Random) -> Exception:
    """What an adapter may raise: our own errors, and a bug that quotes a customer."""
    return chance.choice(
        [
            Transient("no answer"),
            Conflict(()),
            Broken("stored facts is unreadable (KeyError)"),
            RuntimeError(f"no row for {CANARY}@example.com"),
            KeyError(CANARY),
            ValueError(f"invalid literal: '{CANARY}'"),
            UnicodeEncodeError("ascii", f"{CANARY}\u00e9", 0, 1, f"no {CANARY}"),
            OSError(2, "No such file or directory", f"/srv/{CANARY}"),
        ]
    )


def mail_error(chance: Random) -> Exception:
    """What a provider or a template may raise while a mail is made and sent."""
    return chance.choice(
        [
            MailRefused("message_rejected"),
            MailThrottled("SendEmail: x"),
            MailInDoubt("SendEmail: y"),
            UndefinedError(f"'{CANARY}' is undefined"),
            TemplateError(f"no filter for {CANARY}@example.com"),
            error(chance),
        ]
    )


def word(chance: Random) -> Any:
    """A canary in one of many shapes."""
    number = chance.randrange(10**6)
    return chance.choice(
        [
            f"{CANARY}-{number}",
            f"{CANARY}{number}@example.com",
            f"{CANARY.title()} {number}",
            f'"{CANARY}\n{{{{{number}}}}}',
            f"{CANARY}\u202e\x00{number}",
            f"=cmd|'{CANARY}'!A1",
            [f"{CANARY}-{number}"],
            {CANARY: number},
            f"{CANARY}-" * 200,
        ]
    )


def spoil(value: Any, chance: Random, odds: float = 0.25) -> Any:
    """The same value with canaries in some places, as values, as keys, or instead of a whole."""
    if isinstance(value, dict):
        spoilt = {name: spoil(each, chance, odds) for name, each in value.items()}
        if chance.random() < odds / 4:
            spoilt[f"{CANARY}_{chance.randrange(9)}"] = word(chance)
        return spoilt
    if isinstance(value, list):
        return [spoil(each, chance, odds) for each in value]
    return word(chance) if chance.random() < odds else value
