"""Mails: what is said, to whom it may be said, and the bytes that say it.

Reading order: ``permission`` (may this mail go out), ``words`` (facts as words), ``render``
(words into text and HTML), ``mime`` (both into one message), ``compose`` (all of it for one
planned mail), ``pages`` (what a person sees who unsubscribes). No AWS, no clock, no storage.
"""
