"""The supervisor: the main process, which holds sockets and pidfile, and keeps a listener serving."""
