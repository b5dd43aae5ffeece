"""Years to come of every draw: supply, demand, and whether such outlooks were right."""
