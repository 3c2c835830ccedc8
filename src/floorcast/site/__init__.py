"""The site: the clients with their services, users and rules, declared in one TOML file."""
