"""The local stack as a process: it ends when it should, and it is nobody else's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ops.demo import PLAN
from ops.deploy import deploy_package
from ops.package import build_from_environment, ensure_package
from ops.places import ROOT
from ops.session import open_session
from ops.stack import StackDidNotStart, running
from ops.story.play import Venue
from tests.e2e.deployed import eventually

pytestmark = pytest.mark.e2e


def _gone(pid: int) -> bool | None:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return None


def test_it_ends_with_its_block(tmp_path: Path) -> None:
    """After the block neither the process nor its port is there."""
    with running(tmp_path) as stack:
        assert (
            open_session(endpoint_url=stack.endpoint_url).client("s3").list_buckets()["Buckets"]
            == []
        )

    assert _gone(stack.pid)


def test_it_ends_when_its_owner_is_killed(tmp_path: Path) -> None:
    """Even a SIGKILL leaves no local stack behind."""
    code = (
        "import pathlib, signal, sys\n"
        "from ops.stack import running\n"
        f"with running(pathlib.Path({str(tmp_path)!r})) as stack:\n"
        "    print(stack.pid, flush=True)\n"
        "    signal.pause()\n"
    )
    owner = subprocess.Popen(  # noqa: S603 - ours
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    pid = int(owner.stdout.readline())

    owner.send_signal(signal.SIGKILL)
    owner.communicate()

    eventually(lambda: _gone(pid), within_seconds=20, what="the end of the stack")


def test_a_taken_port_is_said_to_be_taken(tmp_path: Path) -> None:
    """A second stack on the same port does not start, and does not pass the first for its own."""
    with running(tmp_path / "first") as first:
        port = int(first.endpoint_url.rpartition(":")[2])

        with pytest.raises(StackDidNotStart, match="is taken"), running(tmp_path, port=port):
            pass


def test_deploying_the_same_again_changes_nothing(venue: Venue) -> None:
    """The code's name is its content, so a second deployment finds nothing to do."""
    package = ensure_package(build_from_environment(local=True), say=print)
    once, again = (
        deploy_package(package, PLAN, venue.session, endpoint_url=venue.endpoint_url, say=print)
        for _ in range(2)
    )

    assert again.changed is False
    assert again.outputs == once.outputs == venue.outputs
