"""The process that stays: it holds what clients and systemd know calcd by, and keeps a listener serving."""
