"""The handlers of the API's methods, one module per group of methods."""
