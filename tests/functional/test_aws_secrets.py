"""The signing keys: read from SSM, kept for five minutes, and served on while SSM is down."""

from __future__ import annotations

import base64
import json

import pytest

from chalicelib.aws.clients import Clients
from chalicelib.aws.deadline import Deadline
from chalicelib.aws.secrets import ASKED_AGAIN_SECONDS, KEPT_SECONDS, SigningKeysParameter
from chalicelib.core.errors import Broken, DeadlineExceeded, Transient
from chalicelib.core.tokens import SigningKeys
from tests.loopback import THROTTLED, Loopback, Reaction, Reply, in_turn
from tests.stack import Stack

NOW = 1_764_000_000


def _value(current: str) -> str:
    key = base64.b64encode(b"k" * 32).decode()
    return json.dumps(
        {"current": current, "keys": {current: key}, "address_secret": key, "coupon_secret": key}
    )


def _holds(current: str) -> Reply:
    return Reply({"Parameter": {"Name": "n", "Value": _value(current)}})


def _parameter(server: Loopback) -> SigningKeysParameter:
    clients = Clients(endpoint_url=server.url)
    clients.warm("ssm")
    return SigningKeysParameter(clients.ssm, name="n", sleep=_no_sleep)


def test_the_keys_that_deploy_writes_are_read(stack: Stack, clients: Clients) -> None:
    """The SecureString that the stack holds decrypts to usable keys."""
    keys = SigningKeysParameter(clients.ssm, name=stack.signing_keys_parameter).read(now=NOW)

    assert isinstance(keys, SigningKeys)
    assert keys.current in keys.keys


def test_keys_are_asked_for_once_in_five_minutes() -> None:
    """Within five minutes the kept keys serve; after that SSM is asked and a rotation is seen."""
    with Loopback(in_turn(_holds("k1"), _holds("k2"))) as server:
        parameter = _parameter(server)
        early = [parameter.read(now=NOW + s).current for s in (0, KEPT_SECONDS - 1)]
        late = parameter.read(now=NOW + KEPT_SECONDS).current

    assert (early, late) == (["k1", "k1"], "k2")
    assert len(server.requests) == 2


def test_kept_keys_serve_while_ssm_is_down() -> None:
    """A failed refresh serves the last keys, and asks again only after a while."""
    with Loopback(in_turn(_holds("k1"), THROTTLED)) as server:
        parameter = _parameter(server)
        parameter.read(now=NOW)
        asked_before = len(server.requests)

        # A deadline that a busy machine does not miss: how long it may take is tested elsewhere.
        served = [
            parameter.read(now=NOW + KEPT_SECONDS + s, deadline=Deadline.after(60)).current
            for s in (0, 1)
        ]
        asked_during = len(server.requests)
        parameter.read(now=NOW + KEPT_SECONDS + ASKED_AGAIN_SECONDS)

    assert served == ["k1", "k1"]
    assert asked_during == asked_before + 2  # one refresh with its one retry
    assert len(server.requests) > asked_during


def test_without_any_keys_a_failure_is_transient() -> None:
    """The first read has nothing to fall back on: it raises Transient."""
    with Loopback(in_turn(THROTTLED)) as server, pytest.raises(Transient):
        _parameter(server).read(now=NOW)


def test_keys_are_not_asked_for_without_time() -> None:
    """With too little of a deadline left, SSM is not asked."""
    with Loopback(in_turn(_holds("k1"))) as server, pytest.raises(DeadlineExceeded):
        _parameter(server).read(now=NOW, deadline=Deadline.after(0.4))

    assert server.requests == []


@pytest.mark.parametrize(
    "reaction",
    [
        Reply({"Parameter": {"Name": "n", "Value": "not keys"}}),
        Reply({"Parameter": {"Name": "n", "Value": ""}}),
        Reply(status=400, error="ParameterNotFound"),
    ],
    ids=str,
)
def test_a_missing_or_unreadable_parameter_is_broken(reaction: Reaction) -> None:
    """A parameter that is missing, empty or something else is Broken: no retry cures it."""
    with Loopback(in_turn(reaction)) as server, pytest.raises(Broken):
        _parameter(server).read(now=NOW)

    assert len(server.requests) == 1


def _no_sleep(seconds: float) -> None:
    del seconds
