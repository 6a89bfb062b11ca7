"""What every test stands on: made-up credentials, no way out to the network, moto, the stack."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

# Before anything imports botocore, so that no test can reach an account by accident.
os.environ.update(
    AWS_ACCESS_KEY_ID="testing",
    AWS_SECRET_ACCESS_KEY="testing",
    AWS_SESSION_TOKEN="testing",
    AWS_DEFAULT_REGION="us-east-1",
    AWS_REGION="us-east-1",
    AWS_EC2_METADATA_DISABLED="true",
    AWS_CONFIG_FILE=os.devnull,
    AWS_SHARED_CREDENTIALS_FILE=os.devnull,
)
for _name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SESV2"):
    os.environ.pop(_name, None)

import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

from chalicelib import telemetry  # noqa: E402
from chalicelib.aws.clients import Clients  # noqa: E402
from ops.moto_in_turns import moto_in_turns  # noqa: E402
from tests.stack import Stack, create_stack  # noqa: E402

# Wall-clock deadlines of Hypothesis say more about the machine than about the code.
settings.register_profile("dev", max_examples=50, deadline=None, derandomize=True, print_blob=True)
settings.register_profile(
    "ci",
    max_examples=300,
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


def _stay_home(event: str, arguments: tuple[Any, ...]) -> None:
    """Let tests connect to this machine only, names included."""
    if event == "socket.connect":
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    if isinstance(host, bytes):
        host = host.decode()
    if host in (None, "", "localhost", "::1", "0.0.0.0") or host.startswith("127."):  # noqa: S104
        return
    raise RuntimeError(f"a test tried to leave this machine for {host}")


sys.addaudithook(_stay_home)


@pytest.fixture(autouse=True, scope="module")
def log_lines_as_before() -> Iterator[None]:
    """Whatever a module does with the log, the next one finds it as it was."""
    yield
    telemetry.configure(stage="unset")


@pytest.fixture
def aws() -> Iterator[None]:
    """Run the test on an empty moto."""
    with moto_in_turns():
        yield


@pytest.fixture(scope="session")
def clients() -> Clients:
    """The clients that the application uses; making them is slow, so the tests share them."""
    return Clients()


@pytest.fixture
def stack(aws: None) -> Stack:
    """The tables, queues, buckets, bus and secrets of the merge template, on moto."""
    return create_stack()
