"""Print digests of the draws of a short fit, to see whether a change has moved any of them.

    uv run python -m tests.golden.digest

It calls public names alone, so the same file runs against an earlier checkout (``PYTHONPATH``).
Draws agree to the last digit on one machine only.
"""

import hashlib
import sys

import reebayes as rb

DRAWS = {
    "posterior": ("flows", "latents", "quantities"),
    "prior": ("flows", "latents", "quantities"),
    "posterior_predictive": ("value",),
    "log_likelihood": ("value",),
}


def main() -> int:
    """Fit the bundled study shortly and print a line for each group."""
    fit = rb.fit(rb.read_study(), seed=0, draws=300, tune=200, chains=2, progress=False)
    for group, names in DRAWS.items():
        digest = hashlib.sha256()
        for name in names:
            digest.update(fit[group].dataset[name].values.tobytes())
        sys.stdout.write(f"{group} {digest.hexdigest()[:16]}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
