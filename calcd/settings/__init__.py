"""The settings: their table, their values, and the files that they are read from."""
