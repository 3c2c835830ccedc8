"""The projection: one task per client folds the client's log and publishes to its feeds."""
