"""Shared by all PBXs: signs of calls and agents, and the events made from them."""
