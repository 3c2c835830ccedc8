"""The projection: one task per client folds the log and publishes to the feeds."""
