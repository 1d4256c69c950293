"""calcd: a network calculator daemon, and its client."""

__version__ = "0.1.0"
