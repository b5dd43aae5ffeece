"""How kernels are compiled: cached on disk, without the interpreter's lock."""

import numba

# One thread per chain is the faster choice: loops over years and series are short.
jit = numba.njit(cache=True, nogil=True, error_model="numpy")

# Helpers of inner loops: a call that passes arrays costs more than what they do.
jit_inline = numba.njit(cache=True, nogil=True, error_model="numpy", inline="always")
