"""Judgements as quantiles, turned into priors."""
