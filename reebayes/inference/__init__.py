"""From a study to a checked posterior: coordinates, sampler, convergence gate, DataTree."""

from reebayes.files import require_kept_code

require_kept_code()  # before any module here is compiled
