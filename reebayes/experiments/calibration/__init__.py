"""Simulation-based calibration: whether a band of 90 % holds the truth 9 times in 10.

`calibrate` draws worlds from a study's own priors (`worlds`), lets each print the records of the
study's own design, refits them (`refitting`) on worker processes or a cluster (`running`), and
counts where the truth lies among the draws (`figures`, `assessing`, `drawing`).

References
----------
Talts, Betancourt, Simpson, Vehtari, Gelman (2018), arXiv:1804.06788.
Modrák et al. (2023), Bayesian Analysis, doi:10.1214/23-BA1404: the joint log-likelihood as a
figure.
"""

from reebayes.experiments.calibration.calibrating import Calibration, calibrate
from reebayes.experiments.calibration.refitting import Effort
from reebayes.experiments.calibration.worlds import DESCRIPTIONS, WELL_SPECIFIED, WORLDS

__all__ = ["DESCRIPTIONS", "WELL_SPECIFIED", "WORLDS", "Calibration", "Effort", "calibrate"]
