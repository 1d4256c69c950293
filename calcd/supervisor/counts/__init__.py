"""What the supervisor counts: connections, and limits that are reached."""
