"""The process that forks a handler for each connection, and decides who is let in."""
