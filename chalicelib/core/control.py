"""What an operator controls: kill switches, API keys, and what became of each drop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

SWITCH_COPIES = 16
# All drops stand in one list: a new one is a write to it, and what becomes of it later is none.
DROP_LIST = "drops"
SCOPES = ("decide", "events", "read", "operate", "privacy")


@dataclass(frozen=True, slots=True)
class Switches:
    """The kill switches; all on until an operator says otherwise.

    Attributes:
        sending: whether mail goes out.
        pricing: whether prices are personal.
        offers: whether offers are made.
    """

    sending: bool = True
    pricing: bool = True
    offers: bool = True


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A bearer key as storage knows it: by its hash alone.

    Attributes:
        key_id: a short public name, for logs and revocation.
        scopes: what it may do.
        created_at: when it was made.
        revoked_at: when it stopped working.
    """

    key_id: str
    scopes: tuple[str, ...]
    created_at: int
    revoked_at: int | None = None


DropState = Literal["RUNNING", "COMPLETE", "PARTIAL", "REJECTED"]
DropPhase = Literal["fetching", "reading", "folding", "scoring", "finishing"]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a part of a divided file failed.

    Attributes:
        part: its name: ``range 7``, ``plan``.
        reason: the class of the error, and the text where the error is one of our own.
    """

    part: str
    reason: str


@dataclass(frozen=True, slots=True)
class Drop:
    """A dropped file: where it stands and how its records add up.

    Attributes:
        drop_id: first 32 hex digits of sha256(bucket, key, version id or ETag).
        key: the object's key.
        state: RUNNING, COMPLETE, PARTIAL where parts of a divided file failed and can be worked on
            again, or REJECTED as a whole.
        as_of: the moment at which its customers are scored.
        started_at: when work began.
        changed_at: when it last moved.
        counts: records, folded, duplicate, rejected, customers, scored, unscored, decisions…
        reason: why it is not COMPLETE.
        failed_parts: of a PARTIAL drop, the first that failed.
        failures: why those of them failed that were worked on.
        phase: what the work on it is at; None when nobody is at it.
        phase_at: when that began; None as above.
        phase_from: how many of its records were done with by then.
        divided: whether it is worked on in parts.
    """

    drop_id: str
    key: str
    state: DropState
    as_of: int
    started_at: int
    changed_at: int
    counts: Mapping[str, int] = field(default_factory=dict)
    reason: str | None = None
    failed_parts: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()
    phase: DropPhase | None = None
    phase_at: int | None = None
    phase_from: int = 0
    divided: bool = False

    @property
    def done(self) -> int:
        """How many of its records are done with."""
        # Nothing is folded of a features file: its records are scored, or not.
        scored = ("scored", "unscored") if self.key.startswith("features/") else ()
        names = ("folded", "duplicate", "rejected", *scored)
        return sum(self.counts.get(name, 0) for name in names)


def drop_index(drop: Drop) -> Mapping[str, str | int]:
    """Where the list of drops has it: by when it was begun, and by its id among equals."""
    return {"listed_under": DROP_LIST, "listed_at": f"{drop.started_at:012}#{drop.drop_id}"}


def drop_id_at(place: str) -> str:
    """The id of the drop at a position of the list."""
    return place.partition("#")[2]


def switches_from_json(stored: Mapping[str, Any]) -> Switches:
    """Undo ``asdict``."""
    return Switches(**stored)


def api_key_from_json(stored: Mapping[str, Any]) -> ApiKey:
    """Undo ``asdict``."""
    return ApiKey(**{**stored, "scopes": tuple(stored["scopes"])})


def drop_from_json(stored: Mapping[str, Any]) -> Drop:
    """Undo ``asdict``."""
    told = {
        "failed_parts": tuple(stored.get("failed_parts", ())),
        "failures": tuple(Failure(**each) for each in stored.get("failures", ())),
    }
    return Drop(**{**stored, **told})


def to_json(value: Switches | ApiKey | Drop) -> dict[str, Any]:
    """The stored form of any of these."""
    return asdict(value)
