"""Modules that are loaded by the first call that needs them, and by no cold start before.

One zip holds ten functions, and each needs a part of it. Whoever imports a module late names it
twice: under ``TYPE_CHECKING`` for the tools, which then check it as any other import, and in
``late`` for Python.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


class Late:
    """Stands for a module until something of it is asked for."""

    def __init__(self, name: str) -> None:
        """Remember the full name of the module; nothing is loaded yet."""
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        """Something of the module, which is loaded now if it was not; threads wait for each other.

        Raises what the module's import raises, and AttributeError.
        """
        return getattr(import_module(self._name), attribute)


class LateCalls(Late):
    """Stands for a module of functions until one of them is called: naming one loads nothing."""

    def __getattr__(self, attribute: str) -> Any:
        """A function that calls the module's; its call raises what the import raises."""
        found: Any = None

        def call(*args: Any) -> Any:
            nonlocal found
            if found is None:  # looked for once: a file decodes an order for every row
                found = super(LateCalls, self).__getattr__(attribute)
            return found(*args)

        return call


def late(package: str, *names: str) -> list[Any]:
    """Stand-ins for modules of one package, in the order of their names."""
    return [Late(f"{package}.{name}") for name in names]


def late_calls(package: str, *names: str) -> list[Any]:
    """The same for modules whose functions are named long before they are called."""
    return [LateCalls(f"{package}.{name}") for name in names]
