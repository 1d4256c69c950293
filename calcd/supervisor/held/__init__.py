"""What the supervisor holds for as long as calcd runs: files, sockets, and a process for each listener."""
