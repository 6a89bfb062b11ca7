"""The signing keys' parameter: made once, rotated without breaking what was signed."""

import base64
import json
from collections.abc import Callable, Iterator

import boto3.session
import click
import pytest

from chalicelib.core.errors import Broken
from chalicelib.core.tokens import SigningKeys, sign, verify
from ops.signing import (
    ensure_signing_keys,
    first_document,
    rotate_signing_keys,
    rotated_document,
    signing_keys_parameter,
)

NAME = signing_keys_parameter("dev")


def _counting() -> Callable[[int], bytes]:
    """Bytes that differ from call to call, and are the same in every run."""
    numbers: Iterator[int] = iter(range(1, 256))
    return lambda size: bytes([next(numbers)]) * size


def test_the_first_document_is_what_functions_read() -> None:
    """The first value names a current key and two secrets, all of them different."""
    keys = SigningKeys.from_json(first_document(_counting()))

    secrets = [*keys.keys.values(), keys.address_secret, keys.coupon_secret]
    assert keys.current == "k1"
    assert len(set(secrets)) == 3
    assert {len(secret) for secret in secrets} == {32}


def test_rotation_keeps_what_was_signed_before() -> None:
    """After a rotation a new key signs, and a token of the old one still verifies."""
    before = first_document(_counting())
    token = sign(SigningKeys.from_json(before), purpose="unsubscribe", payload={"s": "c#1"})

    after = SigningKeys.from_json(rotated_document(before, _counting()))

    assert after.current == "k2"
    assert verify(after, token, purpose="unsubscribe", field="token") == {"s": "c#1"}


def test_rotation_leaves_the_secrets_that_name_things() -> None:
    """Addresses and coupon codes keep their names: suppressions outlive every rotation."""
    before = json.loads(first_document(_counting()))

    after = json.loads(rotated_document(json.dumps(before), _counting()))

    for secret in ("address_secret", "coupon_secret"):
        assert after[secret] == before[secret]


def test_rotation_refuses_what_it_does_not_know() -> None:
    """A parameter that deploy did not write is not overwritten."""
    with pytest.raises(Broken):
        rotated_document('{"current": "k1", "keys": {}}')


def test_rotation_says_when_the_parameter_is_full() -> None:
    """SSM takes 4 KB: rotation stops with a sentence rather than lose a key."""
    document = json.loads(first_document(_counting()))
    key = base64.b64encode(b"k" * 32).decode()
    document["keys"] = {f"k{number}": key for number in range(1, 75)}

    with pytest.raises(click.ClickException, match="full"):
        rotated_document(json.dumps(document), _counting())


def test_the_parameter_is_made_once(aws: None) -> None:
    """A second deployment leaves the keys alone; a rotation is stored encrypted."""
    session = boto3.session.Session(region_name="us-east-1")
    parameters = session.client("ssm")

    assert ensure_signing_keys(session, NAME) is True
    first = parameters.get_parameter(Name=NAME, WithDecryption=True)["Parameter"]["Value"]
    assert ensure_signing_keys(session, NAME) is False
    second = parameters.get_parameter(Name=NAME, WithDecryption=True)["Parameter"]["Value"]
    assert first == second

    assert rotate_signing_keys(session, NAME) == "k2"
    stored = parameters.get_parameter(Name=NAME, WithDecryption=True)["Parameter"]
    assert stored["Type"] == "SecureString"
    assert SigningKeys.from_json(stored["Value"]).current == "k2"
