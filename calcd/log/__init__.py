"""Logging: the messages, the targets, and what happens while a target takes nothing."""
