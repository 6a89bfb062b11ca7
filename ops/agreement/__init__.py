"""Whether every engine says the same of the same customer (``python -m ops parity``).

Reading order: ``rows`` (what is scored: real customers, and rows made to be difficult), ``engines``
(Python, scikit-learn and DuckDB), ``spark`` and ``spark_job`` (Spark, in a process and an
environment of its own), ``differences`` (how far two answers are apart, and the bounds).
"""
