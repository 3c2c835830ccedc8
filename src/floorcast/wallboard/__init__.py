"""The wallboard, a page that shows the floor using only the public API, and its files."""
