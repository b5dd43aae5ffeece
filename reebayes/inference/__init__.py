"""From a study to a checked posterior: coordinates, sampler, convergence gate, DataTree."""
