"""Another server of the Real-Time Reporting API, LiveVox or floorcast, as a source."""
