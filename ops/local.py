"""``make local``: the API on this machine in seconds, for everyday work on Segue itself.

One process holds it all: moto in place of AWS, ``chalice local`` in front, and a thread that does
what queues, stream and schedule do (``ops.pump``). About sixty customers of the demo are dropped
as files on the way up, so a checkout meets people with histories. Everything is gone when the
process ends; mails stay in ``.local/mail``. The packaged template is rehearsed by ``make demo``.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import click
from boto3.session import Session
from chalice.cli.factory import CLIFactory
from chalice.local import LocalDevServer, create_local_server
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.ses.models import ses_backends

from chalicelib.core.control import SCOPES
from ops.key import IssuedKey, create_key, key_store
from ops.moto_in_turns import moto_in_turns
from ops.places import LOCAL, ROOT
from ops.pump import IDLE_SECONDS, Handlers, Pump, find_sources, streams_client
from ops.resources import create_resources
from ops.seed import SYNTHETIC, Seed, build_seed
from ops.session import LOCAL_ENVIRONMENT, MAIL_ENDPOINT
from ops.story.letters import SentMail, clear_mails, from_mime, save_mails
from ops.story.script import checkout
from ops.story.shop import Shop

HOST = "127.0.0.1"
REGION = LOCAL_ENVIRONMENT["AWS_DEFAULT_REGION"]
MAIL = LOCAL / "mail"
# Variables that would lead a client away from moto.
_ELSEWHERE = ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_ENDPOINT_URL_DYNAMODB", MAIL_ENDPOINT)


@dataclass(slots=True)
class Outbox:
    """Mails that moto was handed, saved as they come."""

    directory: Path
    saved: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def collect(self) -> list[tuple[SentMail, Path]]:
        """Save what is new and return it."""
        with self.lock:
            sent = ses_backends[DEFAULT_ACCOUNT_ID][REGION].sent_messages[self.saved :]
            mails = [from_mime(each.raw_data.encode()) for each in sent]
            paths = save_mails(mails, self.directory, first=self.saved + 1)
            self.saved += len(mails)
            return list(zip(mails, paths, strict=True))


@contextmanager
def in_process_aws() -> Iterator[Session]:
    """An AWS of this process alone; no call can leave it, and no credential is real."""
    for name in _ELSEWHERE:
        os.environ.pop(name, None)
    with moto_in_turns():
        os.environ.update(LOCAL_ENVIRONMENT)
        yield Session(region_name=REGION)


def make_pump(session: Session, app_module: Any, environment: Mapping[str, str]) -> Pump:
    """Connect the app's handlers to the queues and the streams of the tables."""
    handlers = Handlers(
        on_drop=app_module.on_drop,
        on_effects_planned=app_module.on_effects_planned,
        on_decided=app_module.on_decided,
        on_effect=app_module.on_effect,
        on_mail_event=app_module.on_mail_event,
        on_review_due=app_module.on_review_due,
        on_sweep=app_module.on_sweep,
    )
    return Pump(
        handlers,
        find_sources(session, environment),
        sqs=session.client("sqs"),
        streams=streams_client(session),
    )


def drop_files(session: Session, seed: Seed, *, bucket: str) -> None:
    """Put the demo's files into the drops bucket, contacts before the orders they are for."""
    objects = session.client("s3")
    for file in (seed.customers, seed.catalogue, seed.orders):
        objects.put_object(Bucket=bucket, Key=file.key, Body=file.body)


def make_server(app_module: Any, *, port: int) -> LocalDevServer:
    """``chalice local``'s server for our app, on this machine alone; raises ClickException."""
    factory = CLIFactory(str(ROOT), environ=dict(os.environ))
    config = factory.create_config_obj(chalice_stage_name="dev")
    try:
        return create_local_server(app_module.app, config, HOST, port)
    except OSError as error:
        raise click.ClickException(f"port {port} on {HOST}: {error.strerror}") from error


@contextmanager
def pumped(pump: Pump, outbox: Outbox) -> Iterator[None]:
    """Pump for the length of a block, and say of each mail that it went out."""
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            if not pump.step():
                stop.wait(IDLE_SECONDS)
            for mail, path in outbox.collect():
                click.echo(f"mail  {mail.subject}  →  {path}")

    pumping = threading.Thread(target=run, name="pump", daemon=True)
    pumping.start()
    try:
        yield
    finally:
        stop.set()
        pumping.join(timeout=10)


def introduce(seed: Seed, key: IssuedKey, *, url: str, mail: Path, seconds: float) -> None:
    """Say where everything is, with a call that works."""
    someone = next(each for each in seed.contacts if each.place.region == "NY")
    request = checkout(someone.customer_id, country="US", region="NY", session_id="s-1")
    click.echo(f"\nSegue on {url}, {len(seed.contacts)} customers, in {seconds:.1f} s")
    click.echo(f"{SYNTHETIC} Mails go to {mail}.\n")
    click.echo(f"Console: {url}/console, where this key signs in: {key.text}\n")
    click.echo(Shop(url, key=key.text).as_curl(request))
    click.echo(json.dumps({"url": url, "key": key.text, "seconds": round(seconds, 1)}))


@click.command()
@click.option("--port", default=8000, show_default=True, help="Where to listen on 127.0.0.1.")
@click.option("--customers", default=60, show_default=True, help="How many to begin with.")
@click.option(
    "--mail",
    type=click.Path(file_okay=False, path_type=Path),
    default=MAIL,
    help="Where mails are saved.  [default: .local/mail]",
)
@click.option("--stop-after", type=float, metavar="SECONDS", help="Stop by itself.")
def local(port: int, customers: int, mail: Path, stop_after: float | None) -> None:
    """Serve the API on an in-process AWS, with seeded customers and pumped queues."""
    begun = time.monotonic()
    logging.basicConfig(stream=sys.stdout, level=logging.WARNING, format="%(message)s")
    app_module = import_module("app")
    server = make_server(app_module, port=port)
    url = f"http://{HOST}:{port}"
    clear_mails(mail)
    with in_process_aws() as session:
        environment = create_resources(session, parameters={"PublicUrl": url})
        os.environ.update(environment)
        seed = build_seed(today=datetime.now(UTC).date(), customers=customers)
        drop_files(session, seed, bucket=environment["SEGUE_DROPS_BUCKET"])
        pump = make_pump(session, app_module, environment)
        with pumped(pump, Outbox(mail)):
            key = _make_key(session, environment["SEGUE_CONTROL_TABLE"])
            introduce(seed, key, url=url, mail=mail, seconds=time.monotonic() - begun)
            _serve(server, stop_after=stop_after)


def _make_key(session: Session, control_table: str) -> IssuedKey:
    store = key_store(session.client("dynamodb"), control_table=control_table)
    return create_key(store, scopes=SCOPES, now=int(time.time()))


def _serve(server: LocalDevServer, *, stop_after: float | None) -> None:
    timer = None
    if stop_after is not None:
        timer = threading.Timer(stop_after, server.shutdown)
        timer.daemon = True
        timer.start()
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        click.echo("stopped")
    finally:
        server.server.server_close()
        if timer is not None:
            timer.cancel()
