"""A headless Chromium of this machine, driven by Playwright, that cannot leave it.

Playwright downloads no browser here. It drives the Chromium that the machine has: the one that
SEGUE_CHROMIUM names, or one on the PATH, or Debian's, which ``python -m ops chromium`` installs
where it may. Playwright itself is in an environment only after ``make .browser``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ProxySettings

VARIABLE = "SEGUE_CHROMIUM"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
INSTALL: Sequence[Sequence[str]] = (
    ("apt-get", "update", "-qq"),
    ("apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"),
)
# Whatever is not on the loopback goes to a proxy that does not exist: to the port for discarding,
# on which nobody listens.
NOWHERE: Final[ProxySettings] = {"server": "http://127.0.0.1:9", "bypass": "127.0.0.1,localhost"}
QUIET = (
    "--disable-gpu",  # the driver of a machine without a screen has nothing to offer
    "--force-color-profile=srgb",
    "--font-render-hinting=none",
)
Find = Callable[[str], str | None]
Run = Callable[[Sequence[str]], int]


class ChromiumMissing(click.ClickException):
    """No Chromium was found, and none could be installed; says where it looked and what to do."""


class PlaywrightMissing(click.ClickException):
    """The environment does not have Playwright."""


def find_chromium(
    environment: Mapping[str, str] = os.environ, *, find: Find = shutil.which
) -> Path | None:
    """The Chromium of this machine; None where there is none.

    Raises:
        ChromiumMissing: SEGUE_CHROMIUM names something that cannot be run.
    """
    named = environment.get(VARIABLE)
    if named:
        found = find(named)
        if found is None:
            raise ChromiumMissing(f"{VARIABLE} is {named!r}, and nothing there can be run")
        return Path(found)
    return next((Path(found) for name in NAMES if (found := find(name)) is not None), None)


def ensure_chromium(
    environment: Mapping[str, str] = os.environ,
    *,
    find: Find = shutil.which,
    is_root: bool,
    run: Run,
) -> Path:
    """The Chromium of this machine, installed from the distribution where there is none.

    Raises:
        ChromiumMissing: there is none, and this user or this system cannot install it.
    """
    found = find_chromium(environment, find=find)
    if found is not None:
        return found
    if is_root and find("apt-get") is not None:
        for command in INSTALL:
            if run(command) != 0:
                raise ChromiumMissing(f"`{' '.join(command)}` failed. {_what_to_do(environment)}")
        found = find_chromium(environment, find=find)
        if found is not None:
            return found
    raise ChromiumMissing(_what_to_do(environment))


def _what_to_do(environment: Mapping[str, str]) -> str:
    looked = environment.get("PATH", "an empty PATH")
    return (
        f"No Chromium was found: looked for {', '.join(NAMES)} in {looked}. Install it (Debian: "
        f"`apt-get install chromium`), or name another with {VARIABLE}=/path/to/chromium."
    )


@contextmanager
def open_browser() -> Iterator[Browser]:
    """A headless browser for the length of a block; it reaches the loopback and nothing else.

    Raises:
        ChromiumMissing: there is none.
        PlaywrightMissing: nothing can drive it.
    """
    found = find_chromium()
    if found is None:
        raise ChromiumMissing(_what_to_do(os.environ))
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415  (not in every environment)
    except ModuleNotFoundError as error:
        raise PlaywrightMissing("Playwright is not installed: run `make .browser`") from error
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(found), args=list(QUIET), proxy=NOWHERE
        )
        try:
            yield browser
        finally:
            browser.close()


def _run(command: Sequence[str]) -> int:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(command, env=environment, check=False).returncode  # noqa: S603 - ours


@click.command()
def chromium() -> None:
    """Say which Chromium the tests in a browser use; install Debian's where there is none."""
    found = ensure_chromium(is_root=os.geteuid() == 0, run=_run)
    click.echo(str(found))
