"""The events: what sources send (``incoming``), what feeds give (``fed``), agent states."""
