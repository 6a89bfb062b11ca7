"""GET and PUT /v1/control: the kill switches, in as many copies as keep any one from being hot.

A flip has written every copy before it returns, so the next send and the next decision see it,
whichever copy they read. One that was cut short has flipped some: asking again flips the rest. It
waits for nobody: a copy is saved whatever stands there, since a kill switch must not lose a race.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from chalicelib.core.control import SWITCH_COPIES, Switches
from chalicelib.core.errors import BadInput, Transient
from chalicelib.core.kinds import SWITCH
from chalicelib.core.ports import Store
from chalicelib.core.storage import WHATEVER, AtVersion, Conflict, Key, Put
from chalicelib.telemetry import log_event

# What can be turned, each a field of Switches.
SWITCHES = ("sending", "pricing", "offers")
MOST_ROUNDS = 4
MOST_TRIES = 4


@dataclass(frozen=True, slots=True)
class Control:
    """How the switches stand.

    Attributes:
        switches: a switch is on where every copy says so.
        agreed: whether all copies say the same; if not, a flip was cut short.
    """

    switches: Switches
    agreed: bool


def read_switches(*, store: Store, now: int) -> Control:
    """All copies, in one read; a copy that nobody has touched is on."""
    copies = _copies(store, now)
    return Control(
        Switches(
            sending=all(copy.sending for copy in copies),
            pricing=all(copy.pricing for copy in copies),
            offers=all(copy.offers for copy in copies),
        ),
        agreed=len(set(copies)) == 1,
    )


def flip(
    switches: Switches, *, store: Store, now: int, key_id: str, correlation_id: str
) -> Control:
    """Save every copy, look whether they stand, and say so in one audit line.

    Raises Transient when a copy could not be saved or somebody flips against us; some copies may
    then stand, and asking again sets the others.
    """
    control = _flip(switches, store, now)
    log_event(
        "control_flipped",
        key_id=key_id,
        correlation_id=correlation_id,
        sending=switches.sending,
        pricing=switches.pricing,
        offers=switches.offers,
    )
    return control


def flip_one(
    name: str, *, on: bool, store: Store, now: int, key_id: str, correlation_id: str
) -> Control:
    """Turn one switch and leave the others as they stand, whoever turns them meanwhile.

    Each copy is read and saved under its version, so two operators who turn different switches at
    the same moment both get their way. Raises BadInput for a name that is no switch, Transient as
    ``flip`` does.
    """
    if name not in SWITCHES:
        raise BadInput.of("switch", f"must be one of {', '.join(SWITCHES)}")
    for key in _keys():
        _turn(key, name, on, store, now)
    if any(getattr(copy, name) is not on for copy in _copies(store, now)):
        raise Transient("somebody else is flipping the switches")
    control = read_switches(store=store, now=now)
    switches = control.switches
    log_event(
        "control_flipped",
        key_id=key_id,
        correlation_id=correlation_id,
        sending=switches.sending,
        pricing=switches.pricing,
        offers=switches.offers,
    )
    return control


def _copies(store: Store, now: int) -> list[Switches]:
    found = store.read(list(_keys()), now=now)
    return [found.value(key) or Switches() for key in _keys()]


def _turn(key: Key[Switches], name: str, on: bool, store: Store, now: int) -> None:
    """Turn the switch in one copy; a mail that checks it in a transaction holds it a moment."""
    for tries_left in reversed(range(MOST_TRIES)):
        found = store.read([key], now=now)
        turned = replace(found.value(key) or Switches(), **{name: on})
        try:
            store.write([Put(key, turned, AtVersion(found.version(key)))], now=now)
        except (Conflict, Transient):
            if not tries_left:
                raise Transient("others keep writing the switches") from None
        else:
            return


def _flip(switches: Switches, store: Store, now: int) -> Control:
    for _ in range(MOST_ROUNDS):
        for key in _keys():
            _save(key, switches, store, now)
        control = read_switches(store=store, now=now)
        if control == Control(switches, agreed=True):
            return control
    raise Transient("somebody else is flipping the switches")


def _save(key: Key[Switches], switches: Switches, store: Store, now: int) -> None:
    """Save one copy; a mail that checks it in a transaction holds it for a moment."""
    for tries_left in reversed(range(MOST_TRIES)):
        try:
            store.write([Put(key, switches, WHATEVER)], now=now)
        except Transient:
            if not tries_left:
                raise
        else:
            return


def _keys() -> tuple[Key[Any], ...]:
    return tuple(SWITCH.key(str(copy)) for copy in range(SWITCH_COPIES))
