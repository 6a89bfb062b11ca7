"""Finding the browser of the end-to-end tests: on this machine, or from the distribution."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from ops.chromium import INSTALL, ChromiumMissing, ensure_chromium, find_chromium

HERE = {"PATH": "/bin"}


def finds(*names: str) -> Callable[[str], str | None]:
    """A PATH with these programs."""
    return lambda asked: f"/bin/{asked}" if asked in names else None


class Machine:
    """A machine on which ``chromium`` can be installed, if its package manager works."""

    def __init__(self, *, code: int = 0, has_apt: bool = True) -> None:
        """Take how its package manager ends, and whether it has one."""
        self.ran: list[Sequence[str]] = []
        self._code = code
        self._programs = {"apt-get"} if has_apt else set()

    def find(self, name: str) -> str | None:
        """Where a program is."""
        return f"/bin/{name}" if name in self._programs else None

    def run(self, command: Sequence[str]) -> int:
        """Run the package manager."""
        self.ran.append(command)
        if self._code == 0 and "install" in command:
            self._programs.add("chromium")
        return self._code


def test_the_one_that_is_named_goes_first() -> None:
    """SEGUE_CHROMIUM names a program or a path, whatever else there is."""
    named = {**HERE, "SEGUE_CHROMIUM": "other"}

    assert find_chromium(named, find=finds("other", "chromium")) == Path("/bin/other")
    assert find_chromium(HERE, find=finds("other", "chromium")) == Path("/bin/chromium")


def test_a_name_that_leads_nowhere_is_not_passed_over() -> None:
    """Whoever named one is told that it is not there, even where another is."""
    named = {**HERE, "SEGUE_CHROMIUM": "/no/such"}

    with pytest.raises(ChromiumMissing, match=r"SEGUE_CHROMIUM is '/no/such'"):
        find_chromium(named, find=finds("chromium"))


def test_what_is_there_is_not_installed_again() -> None:
    """Nor is anything asked of the package manager."""
    machine = Machine()

    found = ensure_chromium(HERE, find=finds("google-chrome"), is_root=True, run=machine.run)

    assert (found, machine.ran) == (Path("/bin/google-chrome"), [])


def test_where_it_may_it_installs_the_one_of_the_distribution() -> None:
    """The lists first, then the package alone."""
    machine = Machine()

    found = ensure_chromium(HERE, find=machine.find, is_root=True, run=machine.run)

    assert (found, machine.ran) == (Path("/bin/chromium"), list(INSTALL))


@pytest.mark.parametrize(
    ("is_root", "has_apt"), [(False, True), (True, False)], ids=["not root", "not Debian"]
)
def test_where_it_may_not_it_says_what_to_install_and_where_it_looked(
    is_root: bool, has_apt: bool
) -> None:
    """Nothing is tried that cannot work."""
    machine = Machine(has_apt=has_apt)

    with pytest.raises(ChromiumMissing) as raised:
        ensure_chromium(HERE, find=machine.find, is_root=is_root, run=machine.run)

    assert machine.ran == []
    for word in ("chromium-browser", "/bin", "apt-get install chromium", "SEGUE_CHROMIUM"):
        assert word in raised.value.message


def test_a_package_manager_that_fails_is_named() -> None:
    """And the rest of its commands is not tried."""
    machine = Machine(code=100)

    with pytest.raises(ChromiumMissing, match="`apt-get update -qq` failed"):
        ensure_chromium(HERE, find=machine.find, is_root=True, run=machine.run)

    assert len(machine.ran) == 1
