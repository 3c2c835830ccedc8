"""The projection: one task per client folds the log and publishes what the feeds show."""
