"""Authentication and authorization: passwords, sessions, keys, roles and throttling."""
