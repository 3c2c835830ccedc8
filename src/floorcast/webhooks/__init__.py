"""Webhooks: send events to receivers. Each webhook is a reader with a durable cursor."""
