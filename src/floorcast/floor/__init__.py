"""The floor: pure folds of a client's log. No clock, no I/O, and no input that raises."""
