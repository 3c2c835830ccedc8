"""Worker processes, which run long computations outside the event loop, a few at a time."""
