"""Alerts: rules held against the figures, and the transitions that follow."""
