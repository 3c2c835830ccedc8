"""Asterisk: AMI and ``queue_log`` read into one vocabulary, and mapped to floorcast's events."""
