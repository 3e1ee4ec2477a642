"""A device made up of the CPU: every tensor on it computes here, and none meets one that was left behind.

`DEVICE` is torch's "meta", whose tensors hold nothing; the ones made here hold a tensor of the CPU, and pass for
tensors of that device. What a GPU would refuse is refused, and a little more: an operation on tensors of both devices
(a GPU takes single numbers and places of the CPU). `Elsewhere` also counts what crosses over.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map

DEVICE = "meta"
MOVE = torch.ops.aten._to_copy.default
Operation = Callable[..., Any]


class There(Tensor):
    """A tensor that says it is on the device, and holds one of the CPU."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> "There":
        made: There = Tensor._make_wrapper_subclass(
            cls,
            held.shape,
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=torch.device(DEVICE),
        )
        made.held = held
        return made

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]  # torch's own classes name no defaults, and it calls without
        cls, operation: Operation, types: Any, given: Sequence[Any] = (), named: Mapping[str, Any] | None = None
    ) -> Any:
        return computed(operation, given, named or {})


class Elsewhere(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it untyped, as the two below
    """While it is entered there is a second device. `to` and `back` hold the sizes of the tensors that crossed over."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.to, self.back = list[int](), list[int]()

    def __torch_dispatch__(
        self, operation: Operation, types: Any, given: Sequence[Any] = (), named: Mapping[str, Any] | None = None
    ) -> Any:
        answer = computed(operation, given, named or {})
        if operation is MOVE and isinstance(answer, There) != isinstance(given[0], There):
            (self.to if isinstance(answer, There) else self.back).append(answer.numel())
        return answer


def computed(operation: Operation, given: Sequence[Any], named: Mapping[str, Any]) -> Any:
    """Return what an operation gives, on the device if its tensors are there or it is told so."""
    tensors = [leaf for leaf in tree_leaves((given, dict(named))) if isinstance(leaf, Tensor)]
    here = [tuple(one.shape) for one in tensors if not isinstance(one, There)]
    if 0 < len(here) < len(tensors):
        raise RuntimeError(f"Expected tensors of one device, got for {operation} one of the CPU, {here[0]}.")
    there = len(here) < len(tensors)
    if named.get("device") is not None:
        there, named = torch.device(named["device"]).type == DEVICE, {**named, "device": "cpu"}
    answer = operation(*tree_map(_held, given), **tree_map(_held, dict(named)))
    if not there:
        return answer
    wrapped = tree_map(lambda one: There(one) if isinstance(one, Tensor) else one, answer)
    return return_and_correct_aliasing(operation, tuple(given), dict(named), wrapped)  # type: ignore[no-untyped-call]


def _held(leaf: Any) -> Any:
    return leaf.held if isinstance(leaf, There) else leaf
