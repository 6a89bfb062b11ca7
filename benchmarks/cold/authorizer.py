"""Segue's authorizer, ready for its first key: settings and the client that looks keys up."""

import app
from chalicelib import wiring

wiring.edge().key_store()
routes = app.app.routes
