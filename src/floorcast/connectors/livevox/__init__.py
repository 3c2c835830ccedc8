"""Reads events from another server of the Real-Time Reporting API, either LiveVox or floorcast."""
