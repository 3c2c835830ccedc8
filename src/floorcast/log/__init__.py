"""The event log, with one durable order per client: the port and its embedded adapters."""
