"""Key-value stores for data other than events: site, users, keys, sessions."""
