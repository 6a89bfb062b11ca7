"""The packaged template, deployed once for all end-to-end tests."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ops.demo import open_venue
from ops.package import build_from_environment, ensure_package
from ops.seed import build_seed
from ops.stack import running
from ops.story.letters import SentMail
from ops.story.play import Venue, await_drop, await_quiet, put_file
from ops.story.telling import Telling
from tests.e2e.deployed import CUSTOMERS, Filled


@pytest.fixture(scope="session")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    """The package on a local stack of its own, and a shop with a key for everything it does."""
    package = ensure_package(build_from_environment(local=True), say=print)
    directory: Path = tmp_path_factory.mktemp("stack")
    with running(directory) as stack:
        yield open_venue(package, stack, say=print)


@pytest.fixture(scope="session")
def filled(venue: Venue) -> Filled:
    """Contacts, catalogue and histories of some customers, dropped as files and acted on."""
    seed = build_seed(today=datetime.fromtimestamp(time.time(), UTC).date(), customers=CUSTOMERS)
    telling = Telling()
    drops = tuple(
        await_drop(venue, *put_file(venue, file), telling)
        for file in (seed.customers, seed.catalogue, seed.orders)
    )
    books, mails = await_quiet(venue, telling)
    return Filled(seed, drops, books, mails)


@pytest.fixture
def inbox(venue: Venue) -> Callable[[], list[SentMail]]:
    """Every mail that has arrived."""
    return lambda: list(venue.inbox.read())
