"""Static figures of labelled arrays."""
