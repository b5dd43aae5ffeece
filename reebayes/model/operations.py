"""The kernels as differentiable PyTensor operations, so that a study is an ordinary model."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import generate_fallback_impl, numba_funcify

from reebayes.model import kernels


@dataclass(frozen=True, slots=True)
class Rule:
    """How a kernel is called and differentiated.

    Attributes
    ----------
    kernel : callable
        Takes variables, then the structure.
    adjoint : callable
        Takes the variables, the structure, the outputs, then the cotangent of the first output;
        returns the cotangents of the variables.
    inputs, outputs : tuple of int
        Number of dimensions of each.
    """

    kernel: Callable[..., Any]
    adjoint: Callable[..., Any]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def _forgetful(adjoint: Callable[..., Any]) -> Callable[..., Any]:
    """An adjoint that has no use for the output."""
    return lambda *arguments: adjoint(*arguments[:-2], arguments[-1])


def _heavy_terms(location: Any, scale: Any, freedom: Any, figures: Any) -> Any:
    """`kernels.record_terms` with degrees of freedom that are an unknown; 0 for normal errors."""
    return kernels.record_terms(location, scale, kernels.with_freedom(figures, float(freedom)))


def _heavy_terms_adjoint(
    location: Any, scale: Any, freedom: Any, figures: Any, term_bar: Any
) -> tuple[Any, ...]:
    """Cotangents of location, scale and degrees of freedom."""
    seen = kernels.with_freedom(figures, float(freedom))
    by_freedom = kernels.freedom_adjoint(location, scale, seen, term_bar)
    bars = kernels.record_terms_adjoint(location, scale, seen, term_bar)
    return *bars, np.asarray(by_freedom)


RULES = {
    "states": Rule(kernels.states, kernels.states_adjoint, (1,), (2,)),
    "levels": Rule(kernels.levels, kernels.levels_adjoint, (2, 1), (2,)),
    "balance": Rule(kernels.balance, kernels.balance_adjoint, (2,), (2, 2, 2)),
    "locate": Rule(kernels.locate, _forgetful(kernels.locate_adjoint), (2, 2), (1,)),
    "spreads": Rule(kernels.spreads, kernels.spreads_adjoint, (1,), (1,)),
    "record_terms": Rule(
        kernels.record_terms, _forgetful(kernels.record_terms_adjoint), (1, 1), (1,)
    ),
    "heavy_terms": Rule(_heavy_terms, _forgetful(_heavy_terms_adjoint), (1, 1, 0), (1,)),
}


class KernelOperation(Op):  # type: ignore[misc]
    """A kernel as a PyTensor operation; its structure (graph, records, priors) is part of it.

    Only the first output may be differentiated through; the others are intermediate results that
    the adjoint needs again.
    """

    def __init__(self, name: str, structure: Any, *, backward: bool = False) -> None:
        self.name = name
        self.structure = structure
        self.backward = backward

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, KernelOperation)
            and (self.name, self.backward) == (other.name, other.backward)
            and self.structure is other.structure
        )

    def __hash__(self) -> int:
        return hash((self.name, self.backward, id(self.structure)))

    def make_node(self, *inputs: Any) -> Apply[Any, Any]:
        """Apply the kernel to symbolic inputs."""
        rule = RULES[self.name]
        dimensions = rule.inputs if self.backward else rule.outputs
        outputs = [pt.tensor(dtype="float64", shape=(None,) * n) for n in dimensions]
        return Apply(self, [pt.as_tensor(value) for value in inputs], outputs)

    def perform(self, node: Any, inputs: Sequence[Any], output_storage: list[list[Any]]) -> None:
        """Run the kernel."""
        rule = RULES[self.name]
        count = len(rule.inputs)
        kernel = rule.adjoint if self.backward else rule.kernel
        results = kernel(*inputs[:count], self.structure, *inputs[count:])
        if len(output_storage) == 1:
            results = (results,)
        for storage, result in zip(output_storage, results, strict=True):
            storage[0] = result

    def pullback(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        cotangents: Sequence[Variable],
    ) -> list[Variable]:
        """Pull the cotangent of the first output back with the adjoint kernel."""
        adjoint = KernelOperation(self.name, self.structure, backward=True)
        return list(adjoint(*inputs, *outputs, cotangents[0], return_list=True))


@numba_funcify.register(KernelOperation)  # type: ignore[untyped-decorator]
def _call_back(op: KernelOperation, node: Any, **kwargs: Any) -> Any:
    """Call from compiled code as from Python: what it costs is little beside the kernel."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Numba will use object mode")
        return generate_fallback_impl(op, node=node, **kwargs)


def apply(name: str, structure: Any, *inputs: Any) -> Any:
    """First output of the named kernel on symbolic or numeric inputs."""
    return KernelOperation(name, structure)(*inputs, return_list=True)[0]
