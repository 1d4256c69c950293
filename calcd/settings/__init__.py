"""What can be set: the table of settings, their values, and the files they are read from."""
