"""The protocol: bytes to requests and replies, and back. No module here does any I/O."""
