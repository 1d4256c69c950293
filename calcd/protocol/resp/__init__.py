"""RESP, the protocol of Redis: bytes to requests, requests to replies, replies to bytes.

dialogue.py is what a session uses. No module does any I/O. Any bytes give replies, an end, or "more is
needed".
"""
