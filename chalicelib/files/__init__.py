"""Dropped files as typed rows: unpacked, decoded, read by DuckDB, every bad record named.

DuckDB is imported only here, and only when a file is read: the API path never pays for it.
"""
