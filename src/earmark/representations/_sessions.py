"""ONNX graphs run by onnxruntime or OpenVINO, on one thread: numbers must not depend on how many cores there are."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np

from earmark.errors import MissingPart

Runtime = Literal["onnx", "openvino"]
Session = Callable[[Mapping[str, np.ndarray]], list[np.ndarray]]
"""Inputs by name → the outputs asked for."""


def session(runtime: Runtime, graph: bytes, outputs: Sequence[str]) -> Session:
    """Return what runs a graph. Raises MissingPart, with the line to type, where the runtime is not installed."""
    return {"onnx": _onnxruntime, "openvino": _openvino}[runtime](graph, outputs)


def version(runtime: Runtime) -> str:
    """Return the version of a runtime, as keys hold it. Raises MissingPart."""
    library = _imported(runtime)
    return f"{library.__name__} {library.__version__}"


def _onnxruntime(graph: bytes, outputs: Sequence[str]) -> Session:
    library = _imported("onnx")
    options = library.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    made = library.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    return lambda given: list(made.run(list(outputs), dict(given)))


def _openvino(graph: bytes, outputs: Sequence[str]) -> Session:
    library = _imported("openvino")
    core = library.Core()
    # Of a CPU that has bfloat16 it would take that for float32.
    settings = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    made = core.compile_model(core.read_model(graph), "CPU", settings)

    def run(given: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        found = made(dict(given))
        return [np.array(found[name]) for name in outputs]

    return run


def _imported(runtime: Runtime) -> Any:
    try:
        if runtime == "onnx":
            import onnxruntime

            return onnxruntime
        import openvino

        return openvino
    except ImportError as error:
        name = {"onnx": "onnxruntime", "openvino": "openvino"}[runtime]
        raise MissingPart(f"This needs {name}. Type: pip install 'earmark[{runtime}]'") from error


RUNTIMES: tuple[Runtime, ...] = get_args(Runtime)
