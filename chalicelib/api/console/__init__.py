"""The console over HTTP: who may see a page, what its forms say, and which flow answers.

Reading order: ``operator`` (who asks, with what), ``forms`` (what a form says), ``door`` (session,
scope and errors of every request), then ``home``, ``people``, ``mails`` and ``rules`` with one
function for each page, and ``table``, which lists them.
"""
