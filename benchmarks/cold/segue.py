"""Segue's API path, ready for its first ``POST /v1/decisions``: settings, law, policy, model, AWS.

Everything that a decision needs is loaded and made: ``tests/app/test_imports.py`` holds that a
first decision imports nothing more.
"""

import app
from chalicelib import wiring

edge = wiring.edge()
edge.rulebook()
edge.hurried()
if edge.rejected() is not None:
    raise SystemExit(f"the packaged model was refused: {edge.rejected()}")
routes = app.app.routes
