"""Everything that uses NATS: the link, the shared log and key-value store, peers, migration."""
