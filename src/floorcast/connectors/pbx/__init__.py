"""Code shared by all PBX connectors: PBX events, and the mapping to CloudEvents."""
