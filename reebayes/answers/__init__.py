"""What a fit says, from its draws alone."""
