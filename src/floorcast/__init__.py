"""Real-time reporting for contact centers: see docs/ for the way of an event."""
