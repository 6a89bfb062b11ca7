"""``make prove``: the statistical figures, measured in seeded loops, and their bounds.

Every module of this package is a topic. It has one function, ``figures() -> dict``, which measures
and returns what it measured, keys in the words of the figure; ``within`` holds a figure against its
bound. A topic whose bound is broken, or that fails otherwise, does not keep the others from being
measured, and makes the command fail. The last line is one line of JSON with the figures of all
topics; what was not measured is missing from it, and the topic stands in ``failed``.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules

import click

Figure = float | int | bool
Figures = dict[str, Figure]


class BoundBroken(Exception):
    """A figure is not what it has to be; ``figures`` are those of the topic all the same."""

    def __init__(self, problem: str, figures: Mapping[str, Figure]) -> None:
        self.figures = dict(figures)
        super().__init__(problem)


def within(
    figures: Mapping[str, Figure],
    name: str,
    *,
    at_least: Figure | None = None,
    at_most: Figure | None = None,
) -> None:
    """Raise BoundBroken unless a figure is within its bounds; NaN is within none."""
    value = figures[name]
    if at_least is not None and not value >= at_least:
        raise BoundBroken(f"{name} is {value}, and must be at least {at_least}", figures)
    if at_most is not None and not value <= at_most:
        raise BoundBroken(f"{name} is {value}, and must be at most {at_most}", figures)


def topics() -> tuple[str, ...]:
    """The names of all topics."""
    return tuple(sorted(module.name for module in iter_modules(__path__)))


def measure(topic: str) -> tuple[Figures, str | None]:
    """Measure one topic; its figures, and what went wrong."""
    try:
        return dict(import_module(f"{__name__}.{topic}").figures()), None
    except BoundBroken as broken:
        return broken.figures, str(broken)
    except Exception as error:
        traceback.print_exc()
        return {}, f"{type(error).__name__}: {error}"


@click.command()
@click.option("--only", "chosen", multiple=True, help="A topic; may be given more than once.")
def prove(chosen: tuple[str, ...]) -> None:
    """Measure the statistical figures, and fail where a bound is broken."""
    known = topics()
    unknown = [topic for topic in chosen if topic not in known]
    if unknown:
        raise click.BadParameter(
            f"{', '.join(unknown)}: topics are {', '.join(known)}", param_hint="--only"
        )
    told: dict[str, Figure | list[str]] = {}
    failed: list[str] = []
    began = time.perf_counter()
    for topic in chosen or known:
        start = time.perf_counter()
        figures, problem = measure(topic)
        twice = told.keys() & figures.keys()
        if twice:
            problem = f"another topic already measured {', '.join(sorted(twice))}"
        told |= figures
        if problem is not None:
            failed.append(topic)
        seconds = time.perf_counter() - start
        click.echo(f"{topic}: {problem or 'holds'} ({seconds:.1f} s)", err=True)
    told["seconds"] = round(time.perf_counter() - began, 1)
    told["failed"] = failed
    click.echo(json.dumps(told))
    if failed:
        sys.exit(1)
