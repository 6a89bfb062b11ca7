"""AWS sessions for commands: one for AWS, one for a stack on this machine, used alike."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

import boto3.session
import botocore.session

LOCAL_ENVIRONMENT: Final = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
}


def is_local(endpoint_url: str | None) -> bool:
    """Whether an endpoint is a process on this machine rather than AWS."""
    return urlsplit(endpoint_url or "").hostname in {"127.0.0.1", "localhost"}


def open_session(
    *, endpoint_url: str | None = None, region: str | None = None
) -> boto3.session.Session:
    """Make a session whose every client speaks to ``endpoint_url``, by default to AWS.

    A local endpoint gets made-up credentials, so that real ones never leave for it.
    """
    if not is_local(endpoint_url):
        return boto3.session.Session(
            botocore_session=_EndpointSession(endpoint_url), region_name=region
        )
    return boto3.session.Session(
        botocore_session=_EndpointSession(endpoint_url),
        aws_access_key_id=LOCAL_ENVIRONMENT["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=LOCAL_ENVIRONMENT["AWS_SECRET_ACCESS_KEY"],
        region_name=LOCAL_ENVIRONMENT["AWS_DEFAULT_REGION"],
    )


class _EndpointSession(botocore.session.Session):
    """A botocore session that hands its endpoint to every client it makes."""

    def __init__(self, endpoint_url: str | None) -> None:
        super().__init__()
        self._endpoint_url = endpoint_url

    def create_client(self, *args: Any, **kwargs: Any) -> Any:
        """Make a client, at the session's endpoint unless the caller names another."""
        kwargs["endpoint_url"] = kwargs.get("endpoint_url") or self._endpoint_url
        return super().create_client(*args, **kwargs)
