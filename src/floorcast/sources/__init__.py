"""Where events come from: one module a kind of source, each a pure reader of its records."""
