"""Real-time reporting for contact centers: docs/ describes how events are processed."""
