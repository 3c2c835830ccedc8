"""Compares alert rules with figures and records the transitions that are due."""
