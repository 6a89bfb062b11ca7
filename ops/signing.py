"""The keys that sign quotes and unsubscribe links, in one SSM SecureString.

CloudFormation cannot make a SecureString, so deploy does. Rotation adds a key that signs from
then on; the earlier ones go on verifying, because an unsubscribe link never expires. Functions
read the parameter again every few minutes.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable
from typing import Any

import click
from boto3.session import Session

from chalicelib.core.tokens import SigningKeys
from ops.session import open_session

KEY_BYTES = 32
PARAMETER_LIMIT_BYTES = 4096  # a standard parameter of SSM
RandomBytes = Callable[[int], bytes]


def signing_keys_parameter(stage: str) -> str:
    """The name of the parameter of one stage."""
    return f"/segue/{stage}/signing-keys"


def first_document(random_bytes: RandomBytes = secrets.token_bytes) -> str:
    """Make the parameter's first value: one signing key, and two secrets that never rotate."""
    return _written(
        {
            "current": "k1",
            "keys": {"k1": _key(random_bytes)},
            "address_secret": _key(random_bytes),
            "coupon_secret": _key(random_bytes),
        }
    )


def rotated_document(text: str, random_bytes: RandomBytes = secrets.token_bytes) -> str:
    """Add a key that signs from now on; every earlier key still verifies.

    Raises Broken when the text is not such a document, ClickException when it has no room left.
    """
    SigningKeys.from_json(text)
    document = json.loads(text)
    name = f"k{1 + max(int(kid[1:]) for kid in document['keys'])}"
    document["keys"][name] = _key(random_bytes)
    document["current"] = name
    return _written(document)


def ensure_signing_keys(session: Session, name: str) -> bool:
    """Create the parameter where there is none; whether it was created."""
    parameters = session.client("ssm")
    try:
        parameters.put_parameter(
            Name=name, Type="SecureString", Value=first_document(), Overwrite=False
        )
    except parameters.exceptions.ParameterAlreadyExists:
        return False
    return True


def rotate_signing_keys(session: Session, name: str) -> str:
    """Make a new key current, and return its id."""
    parameters = session.client("ssm")
    text = parameters.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
    fresh = rotated_document(text)
    parameters.put_parameter(Name=name, Type="SecureString", Value=fresh, Overwrite=True)
    return SigningKeys.from_json(fresh).current


def _key(random_bytes: RandomBytes) -> str:
    return base64.b64encode(random_bytes(KEY_BYTES)).decode()


def _written(document: dict[str, Any]) -> str:
    text = json.dumps(document, separators=(",", ":"))
    SigningKeys.from_json(text)
    if len(text) > PARAMETER_LIMIT_BYTES:
        raise click.ClickException("the parameter is full: remove the oldest keys from it by hand")
    return text


@click.group()
def signing() -> None:
    """Rotate the keys that sign quotes and unsubscribe links."""


@signing.command()
@click.option("--stage", default="dev", show_default=True)
@click.option("--endpoint-url", envvar="AWS_ENDPOINT_URL", help="A local stack in place of AWS.")
@click.option("--region", envvar="AWS_REGION")
def rotate(stage: str, endpoint_url: str | None, region: str | None) -> None:
    """Sign with a new key from now on; what the earlier ones signed stays valid."""
    session = open_session(endpoint_url=endpoint_url, region=region)
    current = rotate_signing_keys(session, signing_keys_parameter(stage))
    click.echo(f"{current} signs now; every function has read it within minutes")
