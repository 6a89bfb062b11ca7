"""The packaged model: read its document, refuse a damaged one, score one customer.

Reading order: ``rejections`` (what can be wrong), ``document`` and ``manifest`` (what is packaged),
``fused`` (its numbers, ready to compute with), ``portable`` (the default engine: pure Python),
``sql`` (the same as a select, for files and warehouses), ``joblib_engine`` (the pipeline itself,
behind a setting), ``load`` (which of the two serves).
"""
