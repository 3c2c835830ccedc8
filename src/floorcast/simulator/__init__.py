"""A floor that behaves like a real one, from a seed: its events, and the truth about them."""
