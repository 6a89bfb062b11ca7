"""``make demo``: the whole story on the local stack, from an empty machine to mails in an inbox.

The packaged template is deployed by the very path of ``python -m ops deploy``. Then the demo's
files are dropped, a shop sends events and asks for decisions, and what came of it is shown. All
the while the panel (``ops.panel``) serves the console with four buttons. ``--check`` plays the same
without a person, presses the buttons over the panel's HTTP, and ends with one line of JSON, and
with exit code 1 and the names of the rules that broke when it does not add up.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import time
import webbrowser
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from subprocess import CalledProcessError

import click

from chalicelib.core.policy import policy_from_toml
from ops.cloudformation import DeploymentFailed
from ops.datasets import DatasetUnavailable
from ops.deploy import Plan, Say, deploy_package
from ops.key import create_key, key_store
from ops.package import Package, build_from_environment, ensure_package
from ops.panel import Panel, serving
from ops.panel.pressing import press_all
from ops.places import LOCAL, ROOT
from ops.refusals import PackageRefused
from ops.seed import SYNTHETIC, Contact, Seed, build_seed
from ops.session import open_session
from ops.stack import LocalStack, StackDidNotStart, running
from ops.story.books import dead_letters
from ops.story.letters import StandInInbox, clear_mails, save_index, save_mails
from ops.story.play import Played, StoryStalled, Venue, await_quiet, call_the_night, play
from ops.story.shop import Shop, ShopRefused
from ops.story.telling import Telling
from ops.story.verdict import Outcome, broken_rules

MAIL = LOCAL / "mail"
SCOPES = ("decide", "events", "read")
PLAN = Plan(
    sender="Example Shop <shop@example.com>",
    postal_address="Example Shop, 1 Example Street, Springfield",
    parts_at_once=4,
    drop_writes_per_second=100_000,  # nobody buys here meanwhile
)


class StoryFailed(click.ClickException):
    """The story could not be played, or does not add up."""


@click.command()
@click.option("--check", is_flag=True, help="Play without a person, judge, and end.")
@click.option("--stop-after", type=float, metavar="SECONDS", help="Do not wait for Ctrl-C.")
def demo(check: bool, stop_after: float | None) -> None:
    """Run the whole story on the local stack; --check plays it without a person."""
    telling = Telling()
    try:
        # The package is set-up, like the environments: made once, and again when a source changes.
        package = ensure_package(build_from_environment(local=True), say=telling.say)
        telling.begin()
        with _directory() as directory, running(directory) as stack:
            telling.say(f"the local stack listens on {stack.endpoint_url}")
            venue = open_venue(package, stack, say=telling.say)
            seed = _seed(telling)
            with serving(venue, shoppers=shoppers(seed.contacts)) as panel:
                _open(panel, telling, quiet=check)
                _judge(_tell(venue, seed, panel, telling, quiet=check), check=check)
                if not check:
                    _stay(stop_after, telling)
    except (
        DatasetUnavailable,
        DeploymentFailed,
        PackageRefused,
        CalledProcessError,
        ShopRefused,
        StackDidNotStart,
        StoryStalled,
    ) as error:
        raise StoryFailed(f"{type(error).__name__}: {error}") from error


@contextmanager
def _directory() -> Iterator[Path]:
    """A directory of this run's own; one that fails leaves it, with its log, to the next run."""
    for left in LOCAL.glob("demo-[0-9]*"):
        if not _runs(int(left.name.partition("-")[2])):
            shutil.rmtree(left)
    directory = LOCAL / f"demo-{os.getpid()}"
    yield directory
    shutil.rmtree(directory)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it runs, and is somebody else's
    return True


def _seed(telling: Telling) -> Seed:
    seed = build_seed(today=datetime.now(UTC).date())
    telling.say(f"{len(seed.contacts):,} customers of CDNOW, moved by {seed.moved_by_weeks} weeks")
    telling.say(SYNTHETIC)
    return seed


def shoppers(contacts: Sequence[Contact]) -> list[Contact]:
    """Who takes turns at the checkout of the panel: nobody who objects to a price of their own."""
    return [each for each in contacts if each.consent_personalised_pricing != "false"]


def _open(panel: Panel, telling: Telling, *, quiet: bool) -> None:
    """Let the panel hear the story, and open it where somebody can see it."""
    telling.heard_by = partial(panel.news.tell, "story", "going")
    telling.say(f"the console, with four buttons: {panel.url}")
    if not quiet and sys.stderr.isatty() and has_display(os.environ, sys.platform):
        webbrowser.open(panel.url)


def has_display(environment: Mapping[str, str], platform: str) -> bool:
    """Whether a browser with windows can be opened, and by nobody's build."""
    if "CI" in environment:
        return False
    return platform in {"darwin", "win32"} or bool(
        {"DISPLAY", "WAYLAND_DISPLAY"} & environment.keys()
    )


def _tell(venue: Venue, seed: Seed, panel: Panel, telling: Telling, *, quiet: bool) -> Outcome:
    policy = policy_from_toml((ROOT / "policies" / "default.toml").read_text())
    played = play(venue, seed, policy=policy, telling=telling)
    books, mails, seconds = played.books, played.mails, telling.seconds
    call_the_night(venue)
    telling.say(
        "the night is called now in place of 03:00 UTC: it counts how many each segment has"
    )
    pressed = None
    if quiet:  # nobody else presses the buttons
        pressed = press_all(panel)
        telling.say(f"all four buttons pressed, and answered in {pressed.seconds:.1f} s")
        books, mails = await_quiet(venue, telling)
    outcome = Outcome(
        drops=played.drops,
        customers=len(seed.contacts),
        decisions=played.books.records,
        mails_accepted=played.books.mails_accepted,
        inbox=len(played.mails),
        reminders=played.books.reminders,
        codes=played.books.coupons,
        unfinished=books.open + abs(books.mails_accepted - len(mails)),
        dead_letters=dead_letters(venue.session.client("sqs"), venue.outputs),
        seconds=seconds,
        pressed=pressed,
    )
    _show(venue, played, panel, telling, quiet=quiet)
    return outcome


def open_venue(package: Package, stack: LocalStack, *, say: Say, plan: Plan = PLAN) -> Venue:
    """Deploy the package to a local stack, and make a key for the shop."""
    mail_url = _mail_url(stack)
    session = open_session(endpoint_url=stack.endpoint_url, mail_url=mail_url)
    done = deploy_package(package, plan, session, endpoint_url=stack.endpoint_url, say=say)
    client = session.client("dynamodb")
    store = key_store(client, control_table=done.outputs["ControlTable"])
    issued = create_key(store, scopes=SCOPES, now=int(time.time()))
    say(f"deployed; key {issued.api_key.key_id} with the scopes {', '.join(SCOPES)}")
    shop = Shop(done.outputs["PublicUrl"], key=issued.text)
    inbox = StandInInbox(mail_url)
    return Venue(session, done.outputs, stack.endpoint_url, shop, inbox, mail_url)


def _mail_url(stack: LocalStack) -> str:
    if stack.mail_url is None:
        raise StackDidNotStart("the local stack has no stand-in for SES beside it")
    return stack.mail_url


def _show(venue: Venue, played: Played, panel: Panel, telling: Telling, *, quiet: bool) -> None:
    clear_mails(MAIL)
    saved = save_mails(played.mails, MAIL)
    index = save_index(played.mails, saved, MAIL)
    telling.ledger(played.segments, played.books)
    if quiet:
        return
    if played.mails:
        telling.letter(played.mails[0])
    first = played.checkouts[0]
    decision = first.answer.body["decision_id"]
    telling.call(venue.shop.as_curl(first.request), first.answer.body)
    telling.places(
        [
            ("console", f"{panel.url} (one click signs in)"),
            ("its key", panel.key),
            ("API", venue.shop.public_url),
            ("health", f"{venue.shop.public_url}/v1/health"),
            ("mails", f"{index} ({len(saved)})"),
            ("inbox", f"{panel.url}demo/inbox"),
            ("why", f"python -m ops why {decision} --endpoint-url {venue.endpoint_url}"),
            ("keys", f"python -m ops key list --endpoint-url {venue.endpoint_url}"),
        ]
    )


def _judge(outcome: Outcome, *, check: bool) -> None:
    broken = broken_rules(outcome)
    for rule in broken:
        click.echo(f"broken rule: {rule}", err=True)
    click.echo(json.dumps(outcome.as_json()))
    if check and broken:
        sys.exit(1)


def _stay(stop_after: float | None, telling: Telling) -> None:
    """Leave everything running until Ctrl-C, or for as long as was asked."""
    telling.say("all of it stays up until Ctrl-C")
    with suppress(KeyboardInterrupt):
        threading.Event().wait(stop_after)
