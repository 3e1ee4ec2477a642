"""A TensorFlow graph by hand, so that essentia's networks can be run without TensorFlow and without their weights.

Source: the messages GraphDef, NodeDef, AttrValue, TensorProto and TensorShapeProto of TensorFlow's graph.proto,
node_def.proto, attr_value.proto, tensor.proto, tensor_shape.proto.
"""

import numpy as np

FLOAT, INT32 = 1, 3
NO = b"\x28\x00"  # of an AttrValue: b = false


def effnet_discogs(weights: np.ndarray) -> bytes:
    """Return a graph of EffNet-Discogs' outer shape: 64 patches of 128 × 96, their mean over frames times weights.

    Of the product (64, 2 dim) the second half is the node PartitionedCall:1, which holds the embedding there.
    """
    mel = "serving_default_melspectrogram"
    types = {"T": _type(FLOAT)}
    nodes = (
        _node(mel, "Placeholder", (), {"dtype": _type(FLOAT), "shape": _field(7, _shape((64, 128, 96)))}),
        _constant("axis", np.array([1], np.int32)),
        _constant("one", np.array(1, np.int32)),
        _constant("weights", weights.astype(np.float32)),
        _node("mean", "Mean", (mel, "axis"), {**types, "Tidx": _type(INT32), "keep_dims": NO}),
        _node("product", "MatMul", ("mean", "weights"), {**types, "transpose_a": NO, "transpose_b": NO}),
        _node("PartitionedCall", "Split", ("one", "product"), {**types, "num_split": _number(3, 2)}),
    )
    return b"".join(nodes) + _field(4, _number(1, 1087))  # the version of the form


def _node(name: str, operation: str, inputs: tuple[str, ...], attributes: dict[str, bytes]) -> bytes:
    said = (
        _field(1, name.encode()) + _field(2, operation.encode()) + b"".join(_field(3, one.encode()) for one in inputs)
    )
    for key, value in attributes.items():
        said += _field(5, _field(1, key.encode()) + _field(2, value))
    return _field(1, said)


def _constant(name: str, value: np.ndarray) -> bytes:
    kind = FLOAT if value.dtype == np.float32 else INT32
    tensor = _number(1, kind) + _field(2, _shape(value.shape)) + _field(4, value.tobytes())
    return _node(name, "Const", (), {"dtype": _type(kind), "value": _field(8, tensor)})


def _type(kind: int) -> bytes:
    return _number(6, kind)


def _shape(sizes: tuple[int, ...]) -> bytes:
    return b"".join(_field(2, _number(1, size)) for size in sizes)


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    head, rest = value & 127, value >> 7
    return bytes([head | 128]) + _varint(rest) if rest else bytes([head])
