"""The errors with which SES answers: code, HTTP status and message as its clients see them."""

from __future__ import annotations


class SesError(Exception):
    """An answer that is an error; ``code`` is the name that botocore raises it under."""

    def __init__(self, code: str, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


def bad_request(message: str) -> SesError:
    """The request itself is wrong."""
    return SesError("BadRequestException", message)


def not_found(message: str) -> SesError:
    """There is nothing of that name."""
    return SesError("NotFoundException", message, status=404)


def already_exists(message: str) -> SesError:
    """There is something of that name already."""
    return SesError("AlreadyExistsException", message)


def throttled(message: str) -> SesError:
    """The sending rate or the daily quota is used up."""
    return SesError("TooManyRequestsException", message, status=429)


def sending_paused(message: str) -> SesError:
    """Sending is off for the account or the configuration set."""
    return SesError("SendingPausedException", message)


def rejected(message: str) -> SesError:
    """SES looked at this mail and will not take it."""
    return SesError("MessageRejected", message)


def not_imitated(what: str) -> SesError:
    """SES knows this, the stand-in does not: louder than an answer that is made up."""
    return SesError("NotImitated", f"the stand-in does not imitate {what}", status=501)
