"""The kernels as differentiable PyTensor operations, for NumPy and for numba."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import register_funcify_default_op_cache_key

from reebayes import kernels


@dataclass(frozen=True, slots=True)
class Rule:
    """How a kernel is called and differentiated.

    Attributes
    ----------
    kernel : callable
        The compiled function.
    outputs : tuple of int
        Number of dimensions of each output.
    adjoint : str or None
        Name of the operation that pulls cotangents back; it takes the inputs, then the outputs
        listed in ``reuses``, then the cotangent of output 0.
    differentiable : tuple of int
        Positions of the inputs that ``adjoint`` returns cotangents for.
    reuses : tuple of int
        Outputs of the forward pass that the adjoint is given.
    """

    kernel: Callable[..., Any]
    outputs: tuple[int, ...]
    adjoint: str | None = None
    differentiable: tuple[int, ...] = ()
    reuses: tuple[int, ...] = ()


RULES = {
    "persistences": Rule(kernels.persistences, (2,), "persistences_adjoint", (0,), (0,)),
    "persistences_adjoint": Rule(kernels.persistences_adjoint, (1,)),
    "levels": Rule(kernels.levels, (2,), "levels_adjoint", (0, 1)),
    "levels_adjoint": Rule(kernels.levels_adjoint, (1, 2)),
    "balance": Rule(kernels.balance, (2, 2, 2), "balance_adjoint", (0,), (0, 1, 2)),
    "balance_adjoint": Rule(kernels.balance_adjoint, (2,)),
    "locate": Rule(kernels.locate, (1,), "locate_adjoint", (0, 1)),
    "locate_adjoint": Rule(kernels.locate_adjoint, (2, 2)),
    "record_terms": Rule(kernels.record_terms, (1,), "record_terms_adjoint", (0, 1)),
    "record_terms_adjoint": Rule(kernels.record_terms_adjoint, (1, 1)),
    "origin": Rule(kernels.origin, (1,)),
    "unwhiten": Rule(kernels.unwhiten, (1,), "unwhiten_adjoint", (0,)),
    "unwhiten_adjoint": Rule(kernels.unwhiten_adjoint, (1,)),
    "whiten": Rule(kernels.whiten, (1,)),
    "smooth": Rule(kernels.smooth, (1,), "smooth_adjoint", (0, 1)),
    "smooth_adjoint": Rule(kernels.smooth_adjoint, (1, 2)),
    "displace": Rule(kernels.displace, (1,)),
}

# A compiled kernel is cached between processes under the operation's name; the text of the
# kernels is part of the key, so that an edited kernel is never served from an old cache.
_VERSION = int(hashlib.sha256(inspect.getsource(kernels).encode()).hexdigest()[:12], 16)


class KernelOperation(Op):  # type: ignore[misc]
    """One kernel as a PyTensor operation.

    Only the first output may be differentiated through; the others are intermediate results that
    the adjoint needs again.
    """

    __props__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name
        self.rule = RULES[name]

    def make_node(self, *inputs: Any) -> Apply[Any, Any]:
        """Apply the kernel to symbolic inputs."""
        arguments = [pt.as_tensor(value) for value in inputs]
        return Apply(
            self,
            arguments,
            [pt.tensor(dtype="float64", shape=(None,) * n) for n in self.rule.outputs],
        )

    def perform(self, node: Any, inputs: Sequence[Any], output_storage: list[list[Any]]) -> None:
        """Run the kernel from Python."""
        results = self.rule.kernel(*inputs)
        if len(self.rule.outputs) == 1:
            results = (results,)
        for storage, result in zip(output_storage, results, strict=True):
            storage[0] = result

    def connection_pattern(self, node: Any) -> list[list[bool]]:
        """Say that the structure arrays carry no gradient."""
        return [
            [position in self.rule.differentiable] + [False] * (len(self.rule.outputs) - 1)
            for position in range(len(node.inputs))
        ]

    def pullback(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        cotangents: Sequence[Variable],
    ) -> list[Variable]:
        """Pull the cotangent of the first output back with the adjoint kernel."""
        assert self.rule.adjoint is not None
        adjoint = KernelOperation(self.rule.adjoint)
        reused = [outputs[position] for position in self.rule.reuses]
        pulled = adjoint(*inputs, *reused, cotangents[0], return_list=True)
        bars = dict(zip(self.rule.differentiable, pulled, strict=True))
        return [bars.get(position, DisconnectedType()()) for position in range(len(inputs))]


@register_funcify_default_op_cache_key(KernelOperation)  # type: ignore[untyped-decorator]
def _compile(op: KernelOperation, node: Any, **kwargs: Any) -> tuple[Callable[..., Any], int]:
    return op.rule.kernel, _VERSION


@dataclass(frozen=True, slots=True)
class Store:
    """All arrays of a compiled program, packed into one vector of reals and one of integers.

    The program is compiled around two shared variables instead of dozens (nutpie's compile time
    grows steeply with their number), and every value can be replaced without recompiling.
    """

    place: Mapping[str, tuple[str, int, tuple[int, ...]]]
    vectors: Mapping[str, np.ndarray]

    @classmethod
    def pack(cls, arrays: Mapping[str, Any]) -> Store:
        """Pack named arrays; their shapes are fixed from here on."""
        place: dict[str, tuple[str, int, tuple[int, ...]]] = {}
        parts: dict[str, list[np.ndarray]] = {"reals": [], "integers": []}
        ends = dict.fromkeys(parts, 0)
        for name, value in arrays.items():
            array = np.asarray(value)
            vector = "reals" if array.dtype.kind == "f" else "integers"
            place[name] = (vector, ends[vector], array.shape)
            parts[vector].append(array.ravel())
            ends[vector] += array.size
        reals = np.concatenate(parts["reals"]).astype(np.float64)
        integers = np.concatenate(parts["integers"]).astype(np.int64)
        return cls(place, {"reals": reals, "integers": integers})

    def replace(self, **changes: Any) -> Store:
        """Copy with other values of the same shapes."""
        vectors = {name: vector.copy() for name, vector in self.vectors.items()}
        for name, value in changes.items():
            vector, begin, shape = self.place[name]
            array = np.asarray(value)
            if array.shape != shape:
                raise ValueError(f"{name} has shape {shape} in the program, not {array.shape}")
            vectors[vector][begin : begin + array.size] = array.ravel()
        return dataclasses.replace(self, vectors=vectors)

    def symbols(self) -> dict[str, Any]:
        """The arrays as symbolic views of two shared variables, ``reals`` and ``integers``."""
        whole = [pytensor.shared(self.vectors[name], name) for name in ("reals", "integers")]
        place = tuple((vector, begin, shape) for vector, begin, shape in self.place.values())
        views = Unpack(place)(*whole, return_list=True)
        return dict(zip(self.place, views, strict=True))


class Unpack(Op):  # type: ignore[misc]
    """Views of packed arrays, all in one operation: one thing to compile instead of dozens."""

    __props__ = ("place",)

    def __init__(self, place: tuple[tuple[str, int, tuple[int, ...]], ...]) -> None:
        self.place = place
        sources = {"reals": 0, "integers": 1}
        self.view_map = {n: [sources[vector]] for n, (vector, _, _) in enumerate(place)}

    def make_node(self, reals: Any, integers: Any) -> Apply[Any, Any]:
        """Apply to the two packed vectors."""
        dtypes = {"reals": "float64", "integers": "int64"}
        views = [pt.tensor(dtype=dtypes[vector], shape=shape) for vector, _, shape in self.place]
        return Apply(self, [reals, integers], views)

    def perform(self, node: Any, inputs: Sequence[Any], output_storage: list[list[Any]]) -> None:
        """Slice from Python."""
        vectors = dict(zip(("reals", "integers"), inputs, strict=True))
        for storage, (vector, begin, shape) in zip(output_storage, self.place, strict=True):
            storage[0] = vectors[vector][begin : begin + math.prod(shape)].reshape(shape)

    def connection_pattern(self, node: Any) -> list[list[bool]]:
        """Say that data carry no gradient."""
        return [[False] * len(self.place)] * 2

    def pullback(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        cotangents: Sequence[Variable],
    ) -> list[Variable]:
        """Return no cotangent: data are not differentiated."""
        return [DisconnectedType()() for _ in inputs]


@register_funcify_default_op_cache_key(Unpack)  # type: ignore[untyped-decorator]
def _compile_unpack(op: Unpack, node: Any, **kwargs: Any) -> tuple[Callable[..., Any], int]:
    slices = []
    for vector, begin, shape in op.place:
        piece = f"{vector}[{begin}:{begin + math.prod(shape)}]"
        slices.append(piece if len(shape) == 1 else f"{piece}.reshape({shape})")
    names: dict[str, Any] = {}
    exec(f"def unpack(reals, integers):\n    return ({', '.join(slices)},)\n", names)
    return numba.njit(names["unpack"]), _VERSION


def apply(name: str, *inputs: Any) -> Any:
    """Result of the named kernel (its first output) on symbolic or numeric inputs."""
    return KernelOperation(name)(*inputs, return_list=True)[0]
