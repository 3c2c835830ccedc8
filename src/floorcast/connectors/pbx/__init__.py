"""What all PBXs have in common: signs of calls and agents, and the events that follow from them."""
