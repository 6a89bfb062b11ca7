"""A seeded scheduler: many workers, of which one runs at a time, from one call to the next.

Every worker is a thread, and only the one that holds the baton runs. Before each of its calls to
the outside it gives the baton back, and the seed says who gets it next: the same seed gives the
same interleaving, so a run that fails can be run again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from random import Random

Switch = Callable[[], None]
Task = Callable[[Switch], None]


class _Runner:
    """One worker's thread, which stands still unless it is let go."""

    def __init__(self, task: Task) -> None:
        self._go, self._stopped = threading.Event(), threading.Event()
        self.done = False
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(task,), daemon=True)
        self._thread.start()

    def step(self) -> None:
        """Let it run until its next call, or to its end."""
        self._stopped.clear()
        self._go.set()
        self._stopped.wait()

    def _run(self, task: Task) -> None:
        self._wait()
        try:
            task(self._switch)
        except BaseException as error:  # told to whoever holds the scheduler
            self.error = error
        finally:
            self.done = True
            self._stopped.set()

    def _switch(self) -> None:
        self._stopped.set()
        self._wait()

    def _wait(self) -> None:
        self._go.wait()
        self._go.clear()


def interleave(tasks: Sequence[Task], *, seed: int) -> None:
    """Run every task to its end, in turns that the seed chooses; raises the first error."""
    chance = Random(seed)  # noqa: S311 - replays
    running = [_Runner(task) for task in tasks]
    while running:
        runner = chance.choice(running)
        runner.step()
        if runner.done:
            running.remove(runner)
            if runner.error is not None:
                raise runner.error
