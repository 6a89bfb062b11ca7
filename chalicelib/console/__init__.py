"""The operator's console: pages made on the server, from what flows have found.

Reading order: ``session`` (who is signed in, and that a form is one of ours), ``page`` (what an
answer to a browser is), ``static_files``, ``render`` (values into HTML), then one module for each
page. Every page is a function of what a flow gave it: no AWS, no clock, no request.
"""
