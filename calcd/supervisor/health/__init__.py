"""Checks that listeners answer, that files are in place, and that the system allows enough processes."""
