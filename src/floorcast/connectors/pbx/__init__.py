"""Code shared by all PBX connectors: signs of calls and agents, and the events made from them."""
