"""The listener: the process that forks handlers and decides which connections are admitted."""
