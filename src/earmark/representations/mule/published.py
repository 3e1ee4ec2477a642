"""The weights that the authors of MULE published: a `.keras` file, read without Keras and without TensorFlow.

The file is a zip of `config.json`, the graph of layers, and `model.weights.h5`, their tensors. Layers have made-up
names, in an order that no page promises, so a tensor finds its place by what it is and what comes before it: its shape,
and the last layers with weights on all ways to it. No two of the network's are alike in both.

Around each convolution lies a layer that has the gain, and the kernel or not; inside it is the bias. Both forms of the
HDF5 file are read: of TensorFlow 2.12 to 2.15 (`_layer_checkpoint_dependencies/CLASS_2/…/vars/0`) and of Keras 3
(`layers/CLASS_2/…/vars/0`). In both a layer's group is its class in small letters with a number that rises in the order
of config.json. Source: keras/src/saving/saving_lib.py of both, and files that both wrote (tests/golden/mule).
"""

import json
import zipfile
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn

from earmark.errors import UserError
from earmark.representations import _hdf5
from earmark.representations.mule.network import Block, Conv, SfNfNet

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
# Groups of a file that hold layers, as TensorFlow and as Keras 3 call them.
LAYERS = ("_layer_checkpoint_dependencies", "layers")
VARIABLES = "vars"
NAMED_IN_ERRORS = 5

Before = frozenset[str]
"""Our names of the last modules with weights on all ways to a place."""


class _Place(NamedTuple):
    """Where tensors go to: a module of ours (or the gain of a block), its weight's shape, and what comes before it."""

    name: str
    shape: tuple[int, ...]
    before: Before


class _Layer(NamedTuple):
    """A layer of the graph, with the names of those that it takes its input from."""

    name: str
    class_name: str
    inputs: tuple[str, ...]


class _Held(NamedTuple):
    """The tensors of a layer: its own, and those of layers inside it."""

    own: tuple[np.ndarray, ...] = ()
    inner: tuple[np.ndarray, ...] = ()


class _Unfit(Exception):
    """What is wrong with a file."""


def read(file: Path, network: SfNfNet) -> dict[str, Tensor]:
    """Return the tensors of a published file under the names of `network`, which need not have weights yet.

    Raises MissingPart without h5py; UserError for a file of another form, and naming the layer for tensors that have no
    place in the network, and for places that got none.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            layers = tuple(_graph(json.loads(archive.read(CONFIG))))
            held = _held(archive.read(WEIGHTS), layers)
        return dict(_placed(layers, held, network))
    except (zipfile.BadZipFile, KeyError, ValueError, CycleError, _Unfit) as error:
        raise UserError(
            f"'{file}' ({file.stat().st_size:,} bytes) does not hold the weights of MULE: {error}. The published file "
            "has 251,054,764 bytes; a small one may be Git's pointer to it. Delete the file and type: "
            "earmark get weights mule"
        ) from error


def _placed(layers: Sequence[_Layer], held: Mapping[str, _Held], network: SfNfNet) -> Iterator[tuple[str, Tensor]]:
    """Yield names and tensors, from the input on."""
    places = {(one.shape, one.before): one.name for one in _places(network)}
    inputs = {one.name: one.inputs for one in layers}
    before: dict[str, Before] = {}
    for name in TopologicalSorter(inputs).static_order():
        before[name] = frozenset[str]().union(*(before[one] for one in inputs[name]))
        if name not in held:
            continue
        tensors = _tensors(name, held[name])
        shape = tuple(next(iter(tensors.values())).shape)
        place = places.pop((shape, before[name]), None)
        if place is None:
            after = _listed(before[name]) or "the input"
            raise _Unfit(f"its layer '{name}' has weights of shape {shape} after {after}, where the network has none")
        before[name] = frozenset({place})
        yield from ((f"{place}.{of}" if of else place, tensor) for of, tensor in tensors.items())
    if places:
        raise _Unfit(f"it lacks {len(places)} layers: {_listed(places.values())}")


def _tensors(name: str, held: _Held) -> dict[str, Tensor]:
    """Return the tensors of a layer by their names in a module of ours, the weight first."""
    ranks = [sorted(one.ndim for one in some if one.size > 1) for some in held]
    if ranks == [[], []] and len(held.own) == 1:  # a product with a number that was learned
        return {"": torch.from_numpy(held.own[0].reshape(()).copy())}
    if sorted(ranks[0] + ranks[1]) == [1, 2]:
        bias, kernel = sorted((*held.own, *held.inner), key=lambda one: one.ndim)
        return {"weight": torch.from_numpy(kernel.T.copy()), "bias": torch.from_numpy(bias)}
    if ranks not in ([[1], [1, 4]], [[1, 4], [1]]):
        shapes = ", ".join(str(one.shape) for one in (*held.own, *held.inner))
        raise _Unfit(f"its layer '{name}' has tensors of shapes {shapes}, which no layer of MULE has")
    ((kernel,), (gain,), (bias,)) = (
        [one for one in (*held.own, *held.inner) if one.ndim == 4],
        *([one for one in some if one.ndim == 1] for some in held),
    )
    weight = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())
    return {"weight": weight, "gain": torch.from_numpy(gain), "bias": torch.from_numpy(bias)}


def _places(network: SfNfNet) -> Iterator[_Place]:
    """Yield the places of a network's tensors, which may be on the meta device."""
    slow = yield from _chain("slow_stem", network.slow_stem, frozenset())
    fast = yield from _chain("fast_stem", network.fast_stem, frozenset())
    stages = zip(network.fusions, network.slow_stages, network.fast_stages, strict=True)
    for number, (fusion, slow_blocks, fast_blocks) in enumerate(stages):
        slow |= yield from _chain(f"fusions.{number}", fusion, fast)
        slow = yield from _stage(f"slow_stages.{number}", slow_blocks, slow)
        fast = yield from _stage(f"fast_stages.{number}", fast_blocks, fast)


def _stage(name: str, blocks: nn.Module, before: Before) -> Generator[_Place, None, Before]:
    for number, block in enumerate(cast("Sequence[Block]", blocks)):
        before = yield from _block(f"{name}.{number}", block, before)
    return before


def _block(name: str, block: Block, before: Before) -> Generator[_Place, None, Before]:
    branch = yield from _chain(f"{name}.convs", block.convs, before)
    squeezed = yield from _place(f"{name}.squeeze", block.squeeze.weight, branch)
    excited = yield from _place(f"{name}.excite", block.excite.weight, squeezed)
    gain = yield from _place(f"{name}.gain", block.gain, branch | excited)
    if block.shortcut is not None:
        before = yield from _place(f"{name}.shortcut", block.shortcut.weight, before)
    return before | gain


def _chain(name: str, layers: nn.Module, before: Before) -> Generator[_Place, None, Before]:
    for number, layer in layers.named_children():
        if isinstance(layer, Conv):
            before = yield from _place(f"{name}.{number}", layer.weight, before)
    return before


def _place(name: str, weight: Tensor, before: Before) -> Generator[_Place, None, Before]:
    yield _Place(name, tuple(weight.shape), before)
    return frozenset({name})


def _graph(config: Mapping[str, Any]) -> Iterator[_Layer]:
    """Yield the layers of config.json in its order."""
    try:
        listed = config["config"]["layers"]
        names = [str(one["name"]) for one in listed]
        for name, one in zip(names, listed, strict=True):
            yield _Layer(name, str(one["class_name"]), tuple(_named(one["inbound_nodes"], names)))
    except (KeyError, TypeError) as error:
        raise _Unfit(f"{CONFIG} is not that of a graph of layers: {error!r}") from error


def _named(node: object, names: Sequence[str]) -> Iterator[str]:
    """Yield the layers that a part of config.json names: `[name, 0, 0]`, with more behind it, anywhere in it."""
    match node:
        case [str(name), int(), int(), *more] if name in names:
            yield name
            yield from _named(more, names)
        case list():
            yield from (name for one in node for name in _named(one, names))
        case dict():
            yield from (name for one in node.values() for name in _named(one, names))


def _held(content: bytes, layers: Sequence[_Layer]) -> dict[str, _Held]:
    """Return the tensors of each layer that has any, by its name."""
    opened = _opened(content)
    container = next((one for one in LAYERS if one in opened), "")
    if not container:
        raise _Unfit(f"expected one of {', '.join(LAYERS)} in {WEIGHTS}, found {_listed(opened)}")
    groups = {name: _tensors_of(group) for name, group in opened[container].items()}
    n_found = sum(len(one.own) + len(one.inner) for one in groups.values())
    if n_found != (n_all := len(list(_datasets(opened)))):
        raise _Unfit(f"{n_all - n_found} of its {n_all} tensors are of no layer")
    named = _names_of(groups, layers)
    return {named[group]: held for group, held in groups.items() if held.own or held.inner}


def _names_of(groups: Mapping[str, _Held], layers: Sequence[_Layer]) -> dict[str, str]:
    """Return the layer of each group: those of a class are numbered in the order of layers, with or without gaps."""
    numbered = sorted((_stem_and_number(name), name) for name in groups)
    found: dict[str, str] = {}
    for stem, some in groupby(numbered, lambda one: one[0][0]):
        names = [name for _, name in some]
        if not any(groups[name].own or groups[name].inner for name in names):
            continue
        own = [one.name for one in layers if one.class_name.lower() == stem.replace("_", "")]
        if len(own) != len(names):
            raise _Unfit(f"it has {len(own)} layers of the class of '{stem}', and the tensors of {len(names)}")
        found |= zip(names, own, strict=True)
    return found


def _stem_and_number(group: str) -> tuple[str, int]:
    """Return ("dense", 12) of "dense_12", ("dense", 0) of "dense"."""
    stem, _, number = group.rpartition("_")
    return (stem, int(number)) if stem and number.isdecimal() else (group, 0)


def _tensors_of(group: Any) -> _Held:
    """Return the tensors of a group of HDF5: in its `vars`, and in those of groups inside it."""
    own = tuple(_datasets(group.get(VARIABLES, {})))
    inner = tuple(tensor for name, one in group.items() if name != VARIABLES for tensor in _datasets(one))
    return _Held(own, inner)


def _datasets(group: Any) -> Iterator[np.ndarray]:
    """Yield the tensors of a group and all in it."""
    for one in group.values():
        if hasattr(one, "values"):
            yield from _datasets(one)
        else:
            yield np.asarray(one)


def _opened(content: bytes) -> Any:
    try:
        return _hdf5.opened(content, "mule")
    except OSError as error:
        raise _Unfit(f"{WEIGHTS} is damaged: {error}") from error


def _listed(names: Collection[str]) -> str:
    some = sorted(names)
    more = f" and {len(some) - NAMED_IN_ERRORS} more" if len(some) > NAMED_IN_ERRORS else ""
    return ", ".join(some[:NAMED_IN_ERRORS]) + more
