"""A stand-in for Amazon SES on this machine: it takes mails as SES does, and fails when told to.

Real clients reach it through ``AWS_ENDPOINT_URL_SESV2``. What it imitates is stated sentence by
sentence in ``tests/ops/test_ses_stand_in.py`` and its neighbours. Read in this order: ``account``
(what an account may do), ``mails`` (what was taken), ``script`` (what is to go wrong), ``events``
and ``publishing`` (what comes back), ``sending`` (one SendEmail), ``operations`` (the other
calls), ``server`` (HTTP, and ``admin`` beside it), ``inbox`` (reading it from another process).
"""
