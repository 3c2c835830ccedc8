"""What every package speaks of: events in and out, agent states, tokens, filters, errors."""
