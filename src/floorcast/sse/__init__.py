"""Server-sent events: the hub, the channels of readers, framing and shared compression."""
