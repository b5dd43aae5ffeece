"""Simulated true flows and records of a study, in NumPy.

The same equations as the model, written a second time and solved another way: unknowns are drawn
series by series, mass balance is a dense linear solve of every year, and the likelihood is one
plain formula per kind of record. Nothing here knows the model, so agreement between the two says
something. It serves to recover known true values, to calibrate, and to check the package's own
solve and likelihood.

Every unknown is a series ``x = mean + sd * s`` over the years. The unit state ``s`` is one standard
normal for the whole study where the prior gives no step, and a stationary AR(1) where it does. The
scale of ``x`` is the one the prior is normal on:

=======================  =====================================  ===========================
target                   ``x``, as in `World.unknowns`          natural, as in ``overrides``
=======================  =====================================  ===========================
flow from an environment log of the flow                        kt (study unit)
flow with a share prior  log of its share over that of the      share of the throughput
                         reference category
``route:<A>:<B>``        added to the log ratios of its flows   the same
``bias:<reporter>``      log bias                               log bias
``shared:<name>``        log error that records have in common  log error
``noise:<reporter>``     log multiplier                         multiplier
``noise:all``            log multiplier                         multiplier
``errors:freedom``       log degrees of freedom                 degrees of freedom
``step:<group>``         log multiplier                         multiplier
=======================  =====================================  ===========================
"""
