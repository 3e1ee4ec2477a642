"""Write essentia's mel bands of a sound, and a small graph with the published names, beside this file.

See README.md.
"""

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent.parent))
weights: Any = importlib.import_module("drawn_weights")
essentia: Any = importlib.import_module("essentia.standard")
onnx: Any = importlib.import_module("onnx")
helper: Any = importlib.import_module("onnx.helper")
DIM, LABELS = 12, 5


def bands() -> np.ndarray:
    """Return what essentia gives its EffNet: every fourth frame of the bands of a sound."""
    bands_of = essentia.TensorflowInputMusiCNN()
    cut = essentia.FrameGenerator(weights.sound(0, 40_000), frameSize=512, hopSize=256, startFromZero=False)
    return np.array([bands_of(frame) for frame in cut])[::4]


def graph() -> bytes:
    """Return a graph that takes patches and gives means of their bands over time, mixed, and sigmoids of those."""
    kernels = {"mix": weights.drawn("mix", (96, DIM)), "label": weights.drawn("label", (DIM, LABELS))}
    nodes = [
        helper.make_node("ReduceMean", ["melspectrogram"], ["mean"], axes=[1], keepdims=0),
        helper.make_node("MatMul", ["mean", "mix"], ["embeddings"]),
        helper.make_node("MatMul", ["embeddings", "label"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["activations"]),
    ]
    shapes: dict[str, list[object]] = {
        "melspectrogram": ["n", 128, 96],
        "activations": ["n", LABELS],
        "embeddings": ["n", DIM],
    }
    told = {name: helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in shapes.items()}
    held = [onnx.numpy_helper.from_array(one, name) for name, one in kernels.items()]
    outputs = [told["activations"], told["embeddings"]]
    made = helper.make_graph(nodes, "small", [told["melspectrogram"]], outputs, held)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    serialised: bytes = model.SerializeToString()
    return serialised


def main() -> None:
    found: Any = {"bands": bands()}
    np.savez_compressed(FOLDER / "essentia.npz", **found)
    (FOLDER / "small.onnx").write_bytes(graph())


if __name__ == "__main__":
    main()
