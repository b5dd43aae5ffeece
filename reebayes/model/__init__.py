"""A study as arrays, and the kernels and the graph that compute with them."""
