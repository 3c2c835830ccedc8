"""Key-value stores for what is not an event: site, users, keys, sessions."""
