"""Many fits: variants, held-out records, simulated data sets."""
