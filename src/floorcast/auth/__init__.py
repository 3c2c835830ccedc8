"""Who may do what: passwords, sessions, keys, roles, and the slowing of those who guess."""
