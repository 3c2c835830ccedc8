"""Recomputes every figure from the stored events in simple passes, and compares the results.

Only ``listed_calls`` and ``verification`` use the code of the fold and the statistics. The other
modules compute the figures independently, so a mistake on either side is detected.
"""
