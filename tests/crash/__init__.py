"""The fault sweep: every fault at every call of every flow, and the bugs that it must find.

It never ships. ``python -m tests.crash`` runs it; ``docs/reliability.md`` says what it proves.
"""
