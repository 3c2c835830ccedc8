"""Recomputes every figure from the stored events in plain passes and compares the results.

Only ``listed_calls`` and ``verification`` use the code of the fold and the statistics. The other
modules recompute without it, so a mistake in one of the two is detected.
"""
