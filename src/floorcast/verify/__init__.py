"""Recomputes every figure from the stored events in plain passes, and compares.

The recomputation (all modules except ``refold`` and ``verification``) shares no code with the folds
and the statistics, so a mistake in one of them is detected.
"""
