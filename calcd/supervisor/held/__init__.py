"""The things that the supervisor holds while calcd runs: files, sockets, and listener processes."""
