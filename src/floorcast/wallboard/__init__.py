"""The wallboard: a page that shows the floor from the public API alone, and its files."""
