"""Worker processes: long computations beside the event loop, a few at a time."""
