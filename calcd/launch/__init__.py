"""Starts the daemon from a command line: options, rights, and the way to the background."""
