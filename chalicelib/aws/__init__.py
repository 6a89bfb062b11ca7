"""The only place that knows AWS: adapters without business rules.

Reading order: ``clients`` (which connection is patient and which is not), ``errors`` (what AWS
says, in our words), ``deadline``, ``items`` and ``store`` (DynamoDB), then ``queues``, ``bus``,
``mailer``, ``objects`` and ``secrets``. Every adapter takes a callable that returns its client,
so that importing one costs nothing and the client is made on first use.
"""
