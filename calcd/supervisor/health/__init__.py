"""Whether calcd is well: listeners that answer, files in their place, a system that allows enough
processes."""
