"""The decisions of Segue as pure functions: no AWS, no clock, no randomness, no environment.

Data flows one way: messages → facts → features → scores → policy → decide → effects → record.
"""
