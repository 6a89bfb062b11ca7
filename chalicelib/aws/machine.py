"""Executions of one Step Functions state machine, each of a name of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.aws.errors import code_of, translated
from chalicelib.core.canonical import canonical_json


class StepFunctionsMachine:
    """One state machine by its ARN."""

    def __init__(self, client: Callable[[], Any], *, arn: str) -> None:
        """Take the client to use and the machine to start."""
        self._client = client
        self._arn = arn

    def start(self, name: str, *, given: Mapping[str, Any]) -> bool:
        """Begin an execution of this name; False where one of that name was begun before.

        Step Functions remembers a name for 90 days. Raises Transient or Broken.
        """
        with translated():
            try:
                self._client().start_execution(
                    stateMachineArn=self._arn, name=name, input=canonical_json(given).decode()
                )
            except ClientError as error:
                if code_of(error) != "ExecutionAlreadyExists":
                    raise
                return False
        return True
