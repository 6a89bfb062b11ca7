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
from collections.abc import Callable, Iterable, Mapping
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


def figures_of(topic: str) -> Figures:
    """Measure one topic."""
    found: Figures = import_module(f"{__name__}.{topic}").figures()
    return found


def measure(
    names: Iterable[str], figures: Callable[[str], Mapping[str, Figure]], say: Callable[[str], None]
) -> tuple[Figures, list[str]]:
    """Measure topics one after the other; the figures of all, and the topics that failed.

    Args:
        names: of the topics.
        figures: measures one of them.
        say: is told how each one went.
    """
    told: Figures = {}
    failed: list[str] = []
    for name in names:
        start = time.perf_counter()
        found, problem = _measured(name, figures)
        twice = told.keys() & found.keys()
        if twice:
            problem = f"another topic has measured {', '.join(sorted(twice))} already"
        told |= {key: value for key, value in found.items() if key not in twice}
        if problem is not None:
            failed.append(name)
        say(f"{name}: {problem or 'holds'} ({time.perf_counter() - start:.1f} s)")
    return told, failed


def _measured(
    name: str, figures: Callable[[str], Mapping[str, Figure]]
) -> tuple[Figures, str | None]:
    try:
        return dict(figures(name)), None
    except BoundBroken as broken:
        return broken.figures, str(broken)
    except Exception as error:  # whatever it is, the others are measured and the command fails
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
    began = time.perf_counter()
    told, failed = measure(chosen or known, figures_of, lambda line: click.echo(line, err=True))
    seconds = round(time.perf_counter() - began, 1)
    click.echo(json.dumps({**told, "seconds": seconds, "failed": failed}))
    if failed:
        sys.exit(1)
