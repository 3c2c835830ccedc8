"""The server: assembles its parts, starts, supervises and stops them."""
