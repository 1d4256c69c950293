"""Counts and logs connections, and limits that are reached."""
