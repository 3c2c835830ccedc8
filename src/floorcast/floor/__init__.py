"""The floor: pure folds of a client's log, without a clock or I/O. No input raises."""
