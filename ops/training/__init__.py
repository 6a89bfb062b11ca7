"""From orders to a packaged model.

Reading order: ``history`` (orders in), ``snapshots`` (folded and described by the functions of the
online path), ``preparation``, ``segmentation`` with ``naming``, ``propensity``, ``model`` (all of
them together), ``evaluation``, ``export`` (pipeline to parameters), ``document``, ``package``.
"""
