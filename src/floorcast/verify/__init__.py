"""Every figure a second time: recomputed from the stored events by plain passes, and compared.

What recomputes (all modules but ``refold`` and ``verification``) shares no code with the folds
and the statistics: two mistakes would have to be the same to go unseen.
"""
