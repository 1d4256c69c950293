"""A command line becomes a daemon: options, rights, the way to the background."""
