"""What the kernel offers and Python does not, or not at a price that every fork could pay."""
