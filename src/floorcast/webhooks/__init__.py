"""Webhooks: events sent to receivers, each a reader with a durable cursor."""
