"""The signing keys, read from an SSM SecureString and kept for five minutes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from chalicelib.aws.deadline import ATTEMPT_SECONDS, PAUSE_SECONDS, Deadline, within
from chalicelib.aws.errors import translated
from chalicelib.core.errors import Broken, Transient
from chalicelib.core.tokens import SigningKeys

if TYPE_CHECKING:
    from types_boto3_ssm import SSMClient

KEPT_SECONDS = 300
ASKED_AGAIN_SECONDS = 30
# When nobody waits: room for both attempts and the pause between them.
_PATIENCE_SECONDS = 2 * ATTEMPT_SECONDS + 2 * PAUSE_SECONDS


class SigningKeysParameter:
    """One parameter, and the last keys that it held."""

    def __init__(
        self,
        client: Callable[[], SSMClient],
        *,
        name: str,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Take the client to use and the parameter's name."""
        self._client = client
        self._name = name
        self._sleep = sleep
        self._kept: tuple[int, SigningKeys] | None = None

    def read(self, *, now: int, deadline: Deadline | None = None) -> SigningKeys:
        """The keys, at most five minutes old while SSM answers.

        While it does not, the last keys serve: they still verify all that they signed, and a
        checkout does not degrade for want of a rotation. Raises Transient when there are none,
        Broken when the parameter is missing or unreadable.
        """
        kept = self._kept
        if kept is not None and 0 <= now - kept[0] < KEPT_SECONDS:
            return kept[1]
        try:
            keys = within(
                deadline or Deadline.after(_PATIENCE_SECONDS), self._ask, sleep=self._sleep
            )
        except Transient:
            if kept is None:
                raise
            # Nor does every checkout until then wait for an SSM that is down.
            self._kept = (now - KEPT_SECONDS + ASKED_AGAIN_SECONDS, kept[1])
            return kept[1]
        self._kept = (now, keys)
        return keys

    def _ask(self, _attempt: int) -> SigningKeys:
        with translated():
            answer = self._client().get_parameter(Name=self._name, WithDecryption=True)
        text = answer["Parameter"].get("Value")
        if not text:
            raise Broken("signing keys are empty")
        return SigningKeys.from_json(text)
