"""The version of Segue that is deployed, as health and OpenAPI name it."""

__version__ = "0.1.0"
