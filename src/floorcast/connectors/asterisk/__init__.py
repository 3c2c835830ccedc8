"""Reads Asterisk's AMI and ``queue_log`` and maps both to floorcast events."""
