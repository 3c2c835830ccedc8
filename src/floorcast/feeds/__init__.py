"""The feeds: bounded rings of encoded events, cursors into them, filters and long polls."""
