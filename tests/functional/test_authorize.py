"""Who is calling: bearer keys by their hash, and what happens when storage does not answer."""

from __future__ import annotations

import pytest

from chalicelib.core.canonical import sha256_hex
from chalicelib.core.control import ApiKey
from chalicelib.core.errors import Transient
from chalicelib.core.kinds import API_KEY
from chalicelib.core.storage import WHATEVER, Put
from chalicelib.flows.authorize import (
    MOST_REMEMBERED,
    REMEMBERED_SECONDS,
    Caller,
    RememberedKeys,
    Unknown,
    recognise,
)
from ops.key import create_key
from tests.fakes import MemoryStore

NOW = 1_795_000_000


class Door:
    """Storage with keys, and the memory of one process."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.remembered = RememberedKeys()

    def ask(self, header: str, *, now: int = NOW) -> Caller | Unknown:
        """Who sent this header."""
        return recognise(header, store=self.store, remembered=self.remembered, now=now)


@pytest.fixture
def door() -> Door:
    """A door with no key made for it yet."""
    return Door()


def test_a_key_that_was_made_is_recognised_with_its_scopes(door: Door) -> None:
    """What ``ops key create`` prints opens, with the scopes it was made for."""
    key = create_key(door.store, scopes=("read", "decide"), now=NOW)

    who = door.ask(f"Bearer {key.text}")

    assert who == Caller(key.api_key.key_id, ("decide", "read"))


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic dXNlcjpwYXNz",
        "Bearer segue_0123456789ab_short",
        "Bearer segue_0123456789AB_" + "x" * 43,
        "Bearer segue_0123456789ab_" + "x" * 43 + " trailing",
        "Bearer segue_0123456789ab_" + "x" * 42 + "\n",
        "Bearer other_0123456789ab_" + "x" * 43,
    ],
)
def test_a_malformed_header_is_refused_without_asking_storage(door: Door, header: str) -> None:
    """What cannot be a key costs no call."""
    assert door.ask(header) == Unknown("malformed")
    assert door.store.calls == []


def test_a_wrong_secret_is_unknown(door: Door) -> None:
    """The id alone opens nothing."""
    key = create_key(door.store, scopes=("decide",), now=NOW)
    other = key.text[:-4] + "AAAA"

    assert door.ask(f"Bearer {other}") == Unknown("unknown", key.api_key.key_id)


def test_a_key_stored_under_anothers_hash_is_unknown(door: Door) -> None:
    """The id in the key and the id in storage must be one."""
    text = "segue_0123456789ab_" + "x" * 43
    stored = ApiKey("ffffffffffff", ("decide",), created_at=NOW)
    door.store.write([Put(API_KEY.key(sha256_hex(text.encode())), stored, WHATEVER)], now=NOW)

    assert door.ask(f"Bearer {text}") == Unknown("unknown", "0123456789ab")


def revoke(door: Door, text: str, key_id: str) -> None:
    """Revoke a key."""
    revoked = ApiKey(key_id, ("decide",), created_at=NOW, revoked_at=NOW)
    door.store.write([Put(API_KEY.key(sha256_hex(text.encode())), revoked, WHATEVER)], now=NOW)


def test_a_revoked_key_is_refused(door: Door) -> None:
    """Revocation ends a key, whatever its scopes."""
    key = create_key(door.store, scopes=("decide",), now=NOW)
    revoke(door, key.text, key.api_key.key_id)

    assert door.ask(f"Bearer {key.text}") == Unknown("revoked", key.api_key.key_id)


def test_a_confirmed_key_counts_while_storage_is_down(door: Door) -> None:
    """A checkout can ask without storage, so that it can be answered without storage."""
    key = create_key(door.store, scopes=("decide",), now=NOW)
    door.ask(f"Bearer {key.text}")
    door.store.fail_reads(Transient("down"))

    who = door.ask(f"Bearer {key.text}", now=NOW + REMEMBERED_SECONDS)

    assert who == Caller(key.api_key.key_id, ("decide",))


def test_a_key_confirmed_long_ago_does_not_count(door: Door) -> None:
    """After ten minutes nobody knows any more whether it was revoked."""
    key = create_key(door.store, scopes=("decide",), now=NOW)
    door.ask(f"Bearer {key.text}")
    door.store.fail_reads(Transient("down"))

    with pytest.raises(Transient):
        door.ask(f"Bearer {key.text}", now=NOW + REMEMBERED_SECONDS + 1)


def test_a_key_never_seen_does_not_count_while_storage_is_down(door: Door) -> None:
    """What was never confirmed is not trusted."""
    key = create_key(door.store, scopes=("decide",), now=NOW)
    door.store.fail_reads(Transient("down"))

    with pytest.raises(Transient):
        door.ask(f"Bearer {key.text}")


def test_a_key_seen_revoked_stays_revoked_while_storage_is_down(door: Door) -> None:
    """The last word of storage counts, and it may have been no."""
    key = create_key(door.store, scopes=("decide",), now=NOW)
    door.ask(f"Bearer {key.text}")
    revoke(door, key.text, key.api_key.key_id)
    door.ask(f"Bearer {key.text}")
    door.store.fail_reads(Transient("down"))

    assert door.ask(f"Bearer {key.text}") == Unknown("revoked", key.api_key.key_id)


def test_only_so_many_keys_are_remembered(door: Door) -> None:
    """Memory is bounded: the key seen longest ago is forgotten first."""
    keys = [create_key(door.store, scopes=("decide",), now=NOW) for _ in range(MOST_REMEMBERED + 1)]
    for key in keys:
        door.ask(f"Bearer {key.text}")
    door.store.fail_reads(Transient("down"), Transient("down"))

    assert door.ask(f"Bearer {keys[1].text}") == Caller(keys[1].api_key.key_id, ("decide",))
    with pytest.raises(Transient):
        door.ask(f"Bearer {keys[0].text}")
