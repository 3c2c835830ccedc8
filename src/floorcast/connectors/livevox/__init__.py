"""Another server of the Real-Time Reporting API, LiveVox or a floorcast, as a source."""
