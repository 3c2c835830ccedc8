"""Server-sent events: the hub, channels of readers, framing, and shared compression."""
