"""What nights have stored, read by key: for the console and for the command line alike."""

from __future__ import annotations

from chalicelib.core.calibration import PAST_DAYS as SETTLED_PAST
from chalicelib.core.calibration import SETTLED_DAYS
from chalicelib.core.instants import DAY_SECONDS, format_instant
from chalicelib.core.kinds import CALIBRATED, MEASURED, WATCHED
from chalicelib.core.measured import measured_from_json
from chalicelib.core.ports import Store
from chalicelib.core.report import Days


def read_days(
    store: Store,
    *,
    days: int,
    now: int,
    window_days: int = 0,
    horizon_days: int | None,
    with_measured: bool = True,
) -> Days:
    """Read so many days back: one item a day of each sort, a hundred with each call.

    Args:
        store: brings them.
        days: how many, beginning with yesterday.
        now: the moment.
        window_days: days that were measured under another window are counted and left out.
        horizon_days: of the model that serves; None reads no settled scores.
        with_measured: whether what exposures came to is read as well.
    """
    names = [_name_of(now, back) for back in range(1, days + 1)]
    measured = [MEASURED.key(each) for each in names] if with_measured else []
    watched = [WATCHED.key(each) for each in names]
    settled = []
    if horizon_days is not None:
        backs = range(horizon_days + 1, horizon_days + 1 + SETTLED_DAYS + SETTLED_PAST)
        settled = [CALIBRATED.key(_name_of(now, back)) for back in backs]
    found = store.read([*measured, *watched, *settled], now=now)
    stored = {
        name: told
        for name, key in zip(names, measured, strict=False)
        if (told := found.value(key)) is not None
    }
    same = {name: each for name, each in stored.items() if each["window_days"] == window_days}
    return Days(
        measured={name: measured_from_json(each) for name, each in same.items()},
        watched={
            name: value
            for name, key in zip(names, watched, strict=True)
            if (value := found.value(key)) is not None
        },
        settled=[found.value(key) for key in settled],
        other_window=len(stored) - len(same),
    )


def _name_of(now: int, days_back: int) -> str:
    return format_instant(now - days_back * DAY_SECONDS)[:10]
