"""The wallboard, a page that shows the floor and uses only the public API."""
