"""Everything that knows NATS: the link, the shared log and key-value store, peers, migration."""
