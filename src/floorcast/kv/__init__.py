"""Key-value stores for data other than events: sites, users, keys and sessions."""
