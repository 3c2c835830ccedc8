"""Asterisk: reads AMI and ``queue_log`` and maps both to floorcast's events."""
