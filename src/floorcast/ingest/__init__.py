"""Taking in: events are checked, ordered and made durable by the log, folded, then acknowledged."""
