"""Pure folds of a client's log, which use neither a clock nor I/O. No input makes them raise."""
