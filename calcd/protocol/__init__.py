"""Bytes to requests and replies, and back. No module in here does any I/O."""
