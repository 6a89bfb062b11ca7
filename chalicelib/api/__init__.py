"""The edge: what HTTP says is checked here and told to a flow; what a flow returns is told to HTTP.

Reading order: ``scopes`` (who may do what), ``schemas`` (what may be said), ``problems`` (what
refusals look like), ``boundary`` (what every request passes through), ``routes`` (one function
for each route), ``openapi`` (the same, as a document).
"""
