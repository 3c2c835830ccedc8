"""The site: the clients and what belongs to them, declared in one TOML file."""
