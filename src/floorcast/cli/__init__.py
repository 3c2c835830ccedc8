"""The ``floorcast`` command: one module per subcommand, listed in ``floorcast.cli.app``."""
