"""The world of a study, simulated in NumPy and written apart from the model."""
