"""AWS sessions for commands: one for AWS, one for a stack on this machine, used alike."""

from __future__ import annotations

import os
from typing import Any, Final
from urllib.parse import urlsplit

import boto3.session
import botocore.session
import click

MAIL_ENDPOINT: Final = "AWS_ENDPOINT_URL_SESV2"
LOCAL_ENVIRONMENT: Final = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
}


def is_local(endpoint_url: str | None) -> bool:
    """Whether an endpoint is a process on this machine rather than AWS."""
    return urlsplit(endpoint_url or "").hostname in {"127.0.0.1", "localhost"}


class LocalMailForAws(click.ClickException):
    """The environment sends mail to a stand-in on this machine, and everything else to AWS."""


def open_session(
    *, endpoint_url: str | None = None, region: str | None = None, mail_url: str | None = None
) -> boto3.session.Session:
    """Make a session whose every client speaks to ``endpoint_url``, by default to AWS.

    A local endpoint gets made-up credentials, so that real ones never leave for it, and SES
    beside it at ``mail_url``, by default what AWS_ENDPOINT_URL_SESV2 says.

    Raises:
        LocalMailForAws: AWS_ENDPOINT_URL_SESV2 names this machine, and the endpoint does not.
    """
    if not is_local(endpoint_url):
        if is_local(os.environ.get(MAIL_ENDPOINT)):
            raise LocalMailForAws(f"{MAIL_ENDPOINT} names this machine: unset it to speak to AWS")
        return boto3.session.Session(
            botocore_session=_EndpointSession(endpoint_url), region_name=region
        )
    return boto3.session.Session(
        botocore_session=_EndpointSession(
            endpoint_url, mail_url=mail_url or os.environ.get(MAIL_ENDPOINT)
        ),
        aws_access_key_id=LOCAL_ENVIRONMENT["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=LOCAL_ENVIRONMENT["AWS_SECRET_ACCESS_KEY"],
        region_name=LOCAL_ENVIRONMENT["AWS_DEFAULT_REGION"],
    )


class _EndpointSession(botocore.session.Session):
    """A botocore session that hands its endpoint to every client it makes."""

    def __init__(self, endpoint_url: str | None, *, mail_url: str | None = None) -> None:
        super().__init__()
        self._endpoint_url = endpoint_url
        self._mail_url = mail_url

    def create_client(self, service_name: str, *args: Any, **kwargs: Any) -> Any:
        """Make a client, at the session's endpoint unless the caller names another."""
        own = self._mail_url if service_name == "sesv2" else None
        kwargs["endpoint_url"] = kwargs.get("endpoint_url") or own or self._endpoint_url
        return super().create_client(service_name, *args, **kwargs)
