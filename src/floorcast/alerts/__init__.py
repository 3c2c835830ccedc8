"""Alerts: compares rules with figures and records the transitions that are due."""
