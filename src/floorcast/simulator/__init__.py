"""Simulates a realistic floor from a seed: its events, and the true figures."""
