"""The event log: one durable order a client. The port, its adapters and what mirrors it."""
