"""The feeds: bounded rings of ready bytes, cursors into them, filters, long polls."""
