"""A study as arrays, and the kernels and the graph that compute with them."""

from reebayes.files import require_kept_code

require_kept_code()  # before any module here is compiled
