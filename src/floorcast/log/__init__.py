"""The event log: one durable order per client. The port and its embedded adapters."""
