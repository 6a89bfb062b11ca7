"""The same bad days for a naive handler, for Powertools idempotency and for Segue, counted.

``scenarios`` says what goes wrong, ``contenders`` and ``segue`` are who meets it, ``trial`` plays
it and counts, ``report`` tells it. ``python -m ops reliability`` runs it all.
"""
