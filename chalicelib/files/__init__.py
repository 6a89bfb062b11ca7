"""Dropped files as typed rows: unpacked, cut into records, read by DuckDB, no bad record lost.

Reading order: ``unpack`` (bytes to text, or refused as a whole), ``numbering`` (text to records,
each with its number), ``reader`` (records to typed rows), ``records`` (what a row means),
``mapping`` (how a legacy export looks) and ``rejects``. DuckDB is imported only here, and only when
a file is read: the API path never pays for it.
"""
