"""What the API is given to work with; the composition root fills it, tests fill it with twins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from chalicelib.core.ports import Beginnings, Queue, Store
from chalicelib.core.tokens import SigningKeys
from chalicelib.flows.authorize import RememberedKeys
from chalicelib.flows.learned import RememberedLearning
from chalicelib.flows.rulebook import Rulebook

if TYPE_CHECKING:  # these flows bring whatever else they import, and no checkout needs it
    from chalicelib.flows.list_drops import DropIndex
    from chalicelib.flows.list_mails import MailIndex
    from chalicelib.flows.look_up import GroupIndex
    from chalicelib.flows.read import Library

    class Shelves(DropIndex, MailIndex, Library, GroupIndex, Protocol):
        """Storage with the indexes that requests need."""


class KeysWithin(Protocol):
    """Brings the signing keys within the deadline of the call that they are for."""

    def __call__(self) -> SigningKeys:
        """The keys; raises Transient when they cannot be had in time."""
        ...


class Access(NamedTuple):
    """Storage and signing keys for one call, which share its deadline."""

    store: Shelves
    keys: KeysWithin


class FoldEvents(Protocol):
    """Folds the messages of one request into profiles."""

    def __call__(self, body: Any, *, now: int, correlation_id: str) -> Mapping[str, Any]:
        """How many were accepted, how many were known already, and what was refused."""
        ...


@dataclass(frozen=True, slots=True)
class Edge:
    """Everything that routes use.

    Attributes:
        now: the moment, in whole seconds.
        new_id: a new id that sorts by time.
        new_secret: a key that nobody can guess, 32 hex digits.
        pause: waits some seconds.
        hurried: opens access for a checkout, whose deadline begins now.
        key_store: opens storage to look an API key up.
        patient: opens access for calls that may wait for the SDK's own retries.
        rulebook: policy, law and model; loaded on first use, followed from storage.
        remembered_keys: API keys that this process saw confirmed.
        learned: what this process remembers of the learning document.
        fold_events: the events flow, with everything it needs.
        engine: the setting that chose the scorer.
        rejected: why the packaged model does not serve, None when it does.
        version: of Segue.
        python: of the runtime.
        public_url: base URL of the API.
        results: what drops left behind.
        model_directory: where the packaged model that serves lies.
        fresh_within_hours: how old each source of data may be, where that is stated.
        drops_queue: where simulations wait; None where the stage names no such queue.
    """

    now: Callable[[], int]
    new_id: Callable[[], str]
    new_secret: Callable[[], str]
    pause: Callable[[float], None]
    hurried: Callable[[], Access]
    key_store: Callable[[], Store]
    patient: Callable[[], Access]
    rulebook: Callable[[], Rulebook]
    remembered_keys: RememberedKeys
    learned: RememberedLearning
    fold_events: FoldEvents
    engine: str
    rejected: Callable[[], str | None]
    version: str
    python: str
    public_url: str
    results: Beginnings
    model_directory: Callable[[], Path]
    fresh_within_hours: Mapping[str, float]
    drops_queue: Queue | None = None


GetEdge = Callable[[], Edge]
