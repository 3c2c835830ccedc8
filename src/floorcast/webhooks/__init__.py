"""Sends events to the receivers of webhooks. Each webhook is a reader with a durable cursor."""
