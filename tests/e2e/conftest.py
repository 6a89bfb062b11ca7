"""The packaged template, deployed once for all end-to-end tests."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ops.demo import PLAN
from ops.deploy import deploy_package
from ops.key import create_key, key_store
from ops.package import build_from_environment, ensure_package
from ops.seed import build_seed
from ops.session import open_session
from ops.stack import running
from ops.story.letters import SentMail, from_local_stack
from ops.story.play import Venue, await_drop, await_quiet, put_file, wake
from ops.story.shop import Shop
from ops.story.telling import Telling
from tests.e2e.deployed import CUSTOMERS, Filled


@pytest.fixture(scope="session")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    """The package on a local stack of its own, and a shop with a key for everything it does."""
    package = ensure_package(build_from_environment(local=True), say=print)
    directory: Path = tmp_path_factory.mktemp("stack")
    with running(directory) as stack:
        session = open_session(endpoint_url=stack.endpoint_url)
        done = deploy_package(package, PLAN, session, endpoint_url=stack.endpoint_url, say=print)
        wake(session, done.stack_name)
        client = session.client("dynamodb")
        store = key_store(client, control_table=done.outputs["ControlTable"])
        issued = create_key(store, scopes=("decide", "events", "read"), now=int(time.time()))
        shop = Shop(done.outputs["PublicUrl"], key=issued.text)
        yield Venue(session, done.outputs, stack.endpoint_url, shop)


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
    return Filled(seed, drops, books, tuple(mails))


@pytest.fixture
def inbox(venue: Venue) -> Callable[[], list[SentMail]]:
    """Every mail that has arrived."""
    return lambda: list(from_local_stack(venue.endpoint_url))
