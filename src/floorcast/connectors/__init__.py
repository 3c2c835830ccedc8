"""Sources of events: one module or package per kind of source."""
