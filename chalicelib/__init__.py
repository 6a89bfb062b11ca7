"""Segue: an event or a row becomes a profile, a segment, a decision, an effect and an outcome.

Reading order: ``core.facts`` and ``core.fold`` (what is known of a customer), ``core.features``
and ``scoring.portable`` (what the model makes of it), ``core.policy`` and ``core.decide`` (what
is done about it), ``core.storage`` (what is written), then ``flows`` (who calls whom).
"""
