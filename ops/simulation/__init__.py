"""What a policy would change, before it goes live: on decisions that were made, or on a file.

Reading order: ``population`` (whom it is tried on), ``chalicelib.core.trial`` (what each policy
does to one of them), ``chalicelib.core.comparison`` and ``comparison`` (all of them together),
``parity`` (by an attribute that no policy sees), ``report`` and ``plots`` (for people).
"""
