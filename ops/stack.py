"""The local stack: MiniStack as a process on this machine, in an environment of its own.

Mail goes to a stand-in for SES beside it (``ops.ses``), which lives in this process. Functions are
told of it by the stack's own environment, never by the template, so no deployment to AWS can be.

It listens on 127.0.0.1 alone, knows nothing of the caller's AWS credentials, and keeps its log,
unpacked functions and temporary files in one directory. It ends with the block that runs it, and
also when this process is killed: a guard holds the other end of a pipe and ends the stack when
the pipe breaks.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import click

from ops.places import LOCAL, MINISTACK
from ops.ses.beside import Neighbour, stand_in_beside
from ops.ses.server import serving
from ops.session import LOCAL_ENVIRONMENT, MAIL_ENDPOINT

HOST = "127.0.0.1"
READY_SECONDS = 60.0
STOP_SECONDS = 15.0
_PORT_ATTEMPTS = 3


class StackDidNotStart(Exception):
    """The local stack is not installed, its port is taken, or it ended at once."""


@dataclass(frozen=True, slots=True)
class LocalStack:
    """A running local stack.

    Attributes:
        endpoint_url: what AWS_ENDPOINT_URL must be to speak to it.
        pid: its process, which leads a process group of its own.
        log_path: what it says.
        mail_url: what AWS_ENDPOINT_URL_SESV2 must be; None where the stack takes mail itself.
    """

    endpoint_url: str
    pid: int
    log_path: Path
    mail_url: str | None = None

    def environment(self) -> dict[str, str]:
        """The variables with which any AWS tool speaks to this stack."""
        mail = {} if self.mail_url is None else {MAIL_ENDPOINT: self.mail_url}
        return {**LOCAL_ENVIRONMENT, "AWS_ENDPOINT_URL": self.endpoint_url, **mail}


@contextmanager
def running(
    directory: Path = LOCAL / "stack", *, port: int | None = None, enforce_iam: bool = False
) -> Iterator[LocalStack]:
    """Run a stack for the length of a block, on a free port unless one is given.

    ``enforce_iam`` makes it judge each call of a function by that function's own policy. It takes
    mail itself then: the stand-in judges nobody's permissions.
    Raises StackDidNotStart.
    """
    if enforce_iam:
        with _process(directory, port=port, enforce_iam=True, mail_url=None) as stack:
            yield stack
        return
    neighbour = Neighbour()
    with (
        serving(stand_in_beside(neighbour)) as mail,
        _process(directory, port=port, enforce_iam=False, mail_url=mail.url) as stack,
    ):
        neighbour.endpoint_url = stack.endpoint_url
        yield stack


@contextmanager
def _process(
    directory: Path, *, port: int | None, enforce_iam: bool, mail_url: str | None
) -> Iterator[LocalStack]:
    process, stack = _start(directory, port=port, enforce_iam=enforce_iam, mail_url=mail_url)
    guard = _guard(process.pid)
    try:
        yield stack
    finally:
        guard.kill()
        guard.communicate()
        _end_group(process.pid)
        process.wait()


def _start(
    directory: Path, *, port: int | None, enforce_iam: bool, mail_url: str | None
) -> tuple[subprocess.Popen[bytes], LocalStack]:
    executable = MINISTACK / "bin" / "ministack"
    if not executable.exists():
        raise StackDidNotStart("the local stack is not installed: run `make .ministack`")
    if port is not None and _taken(port):
        raise StackDidNotStart(f"port {port} is taken")
    log_path = directory / "ministack.log"
    # A free port may be taken by someone else before the stack binds it.
    for _ in range(_PORT_ATTEMPTS if port is None else 1):
        chosen = _free_port() if port is None else port
        shutil.rmtree(directory, ignore_errors=True)
        (directory / "tmp").mkdir(parents=True)
        with log_path.open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - ours
                [str(executable)],
                env=_environment(directory, chosen, enforce_iam=enforce_iam, mail_url=mail_url),
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        stack = LocalStack(f"http://{HOST}:{chosen}", process.pid, log_path, mail_url)
        if _becomes_ready(process, stack.endpoint_url):
            return process, stack
        _end_group(process.pid)
        process.wait()
    last = "\n".join(log_path.read_text(errors="replace").splitlines()[-8:])
    raise StackDidNotStart(f"the local stack ended at once:\n{last}")


def _environment(
    directory: Path, port: int, *, enforce_iam: bool, mail_url: str | None
) -> Mapping[str, str]:
    # Functions inherit this environment, so nothing of the caller's own may stand in it.
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
    mail = {} if mail_url is None else {MAIL_ENDPOINT: mail_url}
    return {
        **kept,
        **LOCAL_ENVIRONMENT,
        **mail,
        "HOME": str(directory),
        "TMPDIR": str(directory / "tmp"),
        "BIND_HOST": HOST,
        "MINISTACK_HOST": HOST,
        "GATEWAY_PORT": str(port),
        "LAMBDA_EXECUTOR": "local",
        "AUTH": "true" if enforce_iam else "false",
        "LOG_LEVEL": "INFO",
        "SFN_WAIT_SCALE": "0.1",  # a state machine's pauses between tries, for those who look on
    }


def _guard(pid: int) -> subprocess.Popen[bytes]:
    """End the group of ``pid`` as soon as this process is gone, however it went."""
    script = 'cat >/dev/null; kill -TERM "-$1"'
    return subprocess.Popen(  # noqa: S603 - ours
        ["/bin/sh", "-c", script, "guard", str(pid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _becomes_ready(process: subprocess.Popen[bytes], endpoint_url: str) -> bool:
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until and process.poll() is None:
        if _healthy(endpoint_url):
            return True
        time.sleep(0.05)
    return False


def _healthy(endpoint_url: str) -> bool:
    url = f"{endpoint_url}/_ministack/health"
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - 127.0.0.1
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _end_group(pid: int) -> None:
    """Ask a stack and its functions to end, then insist."""
    until = time.monotonic() + STOP_SECONDS
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGTERM)
        while time.monotonic() < until:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
            os.killpg(pid, 0)
            time.sleep(0.05)
        os.killpg(pid, signal.SIGKILL)


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


@click.command()
@click.option("--port", type=int, default=4566, show_default=True)
def stack(port: int) -> None:
    """Run the local stack in the foreground, until Ctrl-C."""
    try:
        with running(port=port) as local:
            for name, value in local.environment().items():
                click.echo(f"export {name}={value}")
            click.echo(f"# log: {local.log_path}", err=True)
            sys.stdout.flush()
            signal.pause()
    except StackDidNotStart as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        click.echo("stopped", err=True)
