"""The projection's store: feed segments, calls that have left memory, and snapshots."""
