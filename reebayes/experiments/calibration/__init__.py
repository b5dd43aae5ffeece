"""Simulation-based calibration: whether bands of 90 % cover the truth 9 times in 10.

`calibrate` simulates data sets (`datasets`): it draws true flows from a study's own priors, and
records of the study's own design from them. It refits every data set (`refitting`) on worker
processes or a cluster (`running`), and ranks the truth of each test quantity (`estimands`) among
the posterior draws (`assessing`, `drawing`).

References
----------
Talts, Betancourt, Simpson, Vehtari, Gelman (2018), arXiv:1804.06788.
Modrák et al. (2023), Bayesian Analysis, doi:10.1214/23-BA1404: the joint log-likelihood as a
test quantity.
"""

from reebayes.experiments.calibration.calibrating import Calibration, calibrate
from reebayes.experiments.calibration.datasets import DESCRIPTIONS, KINDS, WELL_SPECIFIED
from reebayes.experiments.calibration.refitting import SamplerSettings

__all__ = ["DESCRIPTIONS", "KINDS", "WELL_SPECIFIED", "Calibration", "SamplerSettings", "calibrate"]
