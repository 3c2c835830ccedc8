"""The server: assembles, starts, supervises and stops the parts of floorcast."""
