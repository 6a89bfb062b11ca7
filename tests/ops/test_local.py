"""``make local``: one process that serves decisions in seconds and mails within a minute."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ops.places import ROOT
from ops.seed import Contact, make_contact
from ops.story.letters import SentMail, from_mime
from ops.story.script import checkout
from ops.story.shop import Shop, ShopRefused

pytestmark = pytest.mark.slow

# On a machine that is busy with other things start-up takes as long as its share of CPU says.
PATIENCE_SECONDS = 240


@dataclass(frozen=True, slots=True)
class Local:
    """A running ``python -m ops local``."""

    shop: Shop
    mail: Path
    output: Path

    def mails(self) -> list[SentMail]:
        """What has been sent."""
        return [from_mime(path.read_bytes()) for path in sorted(self.mail.glob("*.eml"))]


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    """The command as a process of its own, with its own port and mail directory."""
    folder = tmp_path_factory.mktemp("local")
    output, mail = folder / "output", folder / "mail"
    port = free_port()
    process = start("--port", str(port), "--mail", str(mail), output=output)
    try:
        introduced = eventually(
            lambda: introduction(output, process), what="the introduction of make local"
        )
        yield Local(Shop(introduced["url"], key=introduced["key"]), mail, output)
    finally:
        process.terminate()
        process.wait(timeout=20)


def test_a_decision_is_answered_as_soon_as_the_introduction_stands(local: Local) -> None:
    """From nothing to a decision over HTTP: what is printed works as it is printed."""
    answer = eventually(lambda: asked(local.shop), what="a decision")

    assert answer["degraded"] is False


def test_seeded_customers_are_known_by_their_histories(local: Local) -> None:
    """Soon after the start a customer of the demo has a segment of the model's."""
    known = eventually(
        lambda: (answer := asked(local.shop)) and not answer["segment"]["fallback"] and answer,
        what="a customer with a segment",
    )

    assert known["scores"]["churn"] is not None


def test_mails_are_saved_whole(local: Local) -> None:
    """What a drop sets off arrives as files, headers and all, and is said by its subject."""
    mails = eventually(local.mails, what="a mail")

    raw = mails[0].raw.decode()
    assert "List-Unsubscribe-Post: List-Unsubscribe=One-Click" in raw
    assert f"mail  {mails[0].subject}" in eventually(
        lambda: local.output.read_text(), what="output"
    )


def test_the_link_in_a_mail_works_here(local: Local) -> None:
    """Links lead to this very process, and a form post withdraws the consent."""
    mail = eventually(local.mails, what="a mail")[0]
    link = re.search(rf"{re.escape(local.shop.public_url)}(/u/\S+)", mail.text)
    assert link is not None

    done = local.shop.call(
        "POST",
        link[1],
        body=b"List-Unsubscribe=One-Click",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )

    assert done.status == 200
    assert consent_of(local, mail.recipient) is False


def test_a_key_is_needed_here_too(local: Local) -> None:
    """The authorizer runs under chalice local: no key 401, a wrong one 403."""
    body = checkout("00004", country="US", region="NY", session_id="s-1")

    for key, status in ((None, 401), ("segue_000000000000_" + "A" * 43, 403)):
        shop = Shop(local.shop.public_url, key=key)
        assert shop.call("POST", "/v1/decisions", body=body).status == status


def test_only_this_machine_can_connect(local: Local) -> None:
    """The server listens on 127.0.0.1, and on no other address of this machine."""
    port = int(local.shop.public_url.rpartition(":")[2])

    with socket.socket() as other:
        other.settimeout(2)
        assert other.connect_ex(("127.0.0.2", port)) != 0


def test_a_taken_port_is_named(local: Local, tmp_path: Path) -> None:
    """A second start on the same port says so and ends."""
    port = local.shop.public_url.rpartition(":")[2]
    output = tmp_path / "output"

    process = start("--port", port, "--mail", str(tmp_path), output=output)

    assert process.wait(timeout=60) == 1
    assert f"Error: port {port} on 127.0.0.1: Address already in use" in output.read_text()


def start(*options: str, output: Path) -> subprocess.Popen[bytes]:
    """Start the command; it ends by itself should the test vanish."""
    command = [sys.executable, "-m", "ops", "local", "--stop-after", "900", *options]
    with output.open("wb") as log:
        return subprocess.Popen(  # noqa: S603 (our own command)
            command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
        )


def introduction(output: Path, process: subprocess.Popen[bytes]) -> dict[str, Any] | None:
    """The line in which the command says where it listens."""
    assert process.poll() is None, output.read_text()
    for line in output.read_text().splitlines():
        if line.startswith('{"url"'):
            said: dict[str, Any] = json.loads(line)
            return said
    return None


def asked(shop: Shop) -> Any:
    """A seeded customer's decision, None while nobody answers."""
    someone = seeded()
    request = checkout(
        someone.customer_id, country="US", region="CA", session_id=f"s-{time.monotonic_ns()}"
    )
    try:
        return shop.decide(request).body
    except ShopRefused:
        return None


def seeded() -> Contact:
    """A customer who is in every demo: the first of the sample."""
    return make_contact("00004")


def consent_of(local: Local, email: str) -> bool | None:
    """What the customer with this address said of marketing mail."""
    customer_id = email.split(".")[1]
    answer = local.shop.call("GET", f"/v1/customers/{customer_id}")
    granted: bool | None = answer.body["consent"]["marketing_email"]["granted"]
    return granted


def eventually(look: Callable[[], Any], *, what: str) -> Any:
    """Look at the running process until it shows something, at most for so long."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not (seen := look()):
        assert time.monotonic() < until, f"{what}: not within {PATIENCE_SECONDS} s"
        time.sleep(0.2)
    return seen


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
