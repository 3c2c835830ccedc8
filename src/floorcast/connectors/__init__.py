"""Where events come from: one module per kind of source, each a pure reader of its records."""
