"""The figures in sections 6 and 7 of the contract, read from folded floors at one moment."""
