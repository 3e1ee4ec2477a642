"""Write a network of MULE's kind as Keras saves it, and what Keras makes of an input, beside this file.

Run once with TensorFlow's Keras and once with Keras 3, each in an environment of its own (README.md). Nothing of
earmark is imported, and nothing of the published code: the layers are written anew, of the same kinds, with weights in
the same places, as the facts that earmark is made from tell them.
"""

import importlib
import math
import os
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("KERAS_BACKEND", "torch")
keras: Any = importlib.import_module("keras")

FOLDER = Path(__file__).parent
IS_2 = keras.__version__.startswith("2.")
SLOW: Any = {"channels": (8, 16, 24, 24), "group": 4, "stem": (4, 4, 6, 8)}
FAST: Any = {"channels": (4, 8, 8, 8), "group": 2, "stem": (2, 2, 4, 4)}
SLOW_STEM = (((3, 1), (2, 8)), ((3, 1), (1, 1)), ((3, 1), (1, 1)), ((3, 3), (2, 2)))
FAST_STEM = (((3, 3), (2, 2)), ((3, 3), (1, 1)), ((3, 3), (1, 1)), ((3, 3), (2, 2)))
DEPTHS, SQUEEZED, FUSED = (1, 2, 1, 1), (2, 2, 4, 4), (4, 8, 8, 12)
ALPHA, GELU_GAIN, BANDS, FRAMES = 0.2, 1.7015043497085571, 30, 75
L: Any = keras.layers


OPS: Any = importlib.import_module("tensorflow") if IS_2 else keras.ops
MEAN, MAXIMUM = (OPS.reduce_mean, OPS.maximum) if IS_2 else (OPS.mean, OPS.maximum)


def _scaled_gelu(x: Any) -> Any:
    return keras.activations.gelu(x, approximate=False) * GELU_GAIN


class Standardised(L.Wrapper):  # type: ignore[misc]  # Keras is not there when types are checked
    """Around a convolution: standardises its kernel and has its gain; in Keras 2 it takes the kernel for its own."""

    def build(self, input_shape: Any) -> None:
        """Make the weights."""
        if not self.layer.built:
            self.layer.build(input_shape)
        first = self.layer.kernel
        if IS_2:
            self.v = first
        self.gain = self.add_weight(name="gain", shape=(self.layer.filters,), initializer="ones")
        super().build(input_shape)

    def call(self, x: Any) -> Any:
        """Return the convolution with standardised weights."""
        kernel = self.v if IS_2 else self.layer.kernel
        centred = kernel - MEAN(kernel, axis=(0, 1, 2), keepdims=True)
        variance = MEAN(centred * centred, axis=(0, 1, 2), keepdims=True)
        fan_in = math.prod(kernel.shape[:3])
        kernel = centred * self.gain / OPS.sqrt(MAXIMUM(variance * fan_in, 1e-4))
        if IS_2:
            self.layer.kernel = kernel
            return self.layer(x)
        convolved = OPS.conv(x, kernel, strides=self.layer.strides, padding="same")
        return convolved + self.layer.bias


class Scalar(L.Layer):  # type: ignore[misc]  # the same
    """A product with a number, which is learned or not."""

    def __init__(self, number: float, learned: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.number, self.learned = number, learned

    def build(self, input_shape: Any) -> None:
        """Make the weight."""
        if self.learned:
            self.factor = self.add_weight(name="factor", shape=(), initializer="zeros")
        super().build(input_shape)

    def call(self, x: Any) -> Any:
        """Return the product."""
        return x * (self.factor if self.learned else self.number)

    def get_config(self) -> dict[str, Any]:
        """Return what the layer is made of."""
        return {**super().get_config(), "number": self.number, "learned": self.learned}


def conv(x: Any, n_out: int, kernel: Any = (1, 1), stride: Any = (1, 1), groups: int = 1) -> Any:
    return Standardised(L.Conv2D(n_out, kernel, stride, "same", groups=groups))(x)


def active(x: Any) -> Any:
    return L.Activation(_scaled_gelu)(x)


def stem(x: Any, channels: Any, shapes: Any) -> Any:
    for number, (width, (kernel, stride)) in enumerate(zip(channels, shapes, strict=True)):
        x = conv(active(x) if number else x, width, kernel, stride)
    return x


def block(x: Any, n_out: int, group: int, stride: int, is_first: bool, variance: float) -> Any:
    width = n_out // 2
    groups = max(width // group, 1)
    into = Scalar(1 / math.sqrt(variance))(active(x))
    branch = conv(into, width)
    branch = conv(active(branch), width, (1, 3), (stride, 1), groups)
    branch = conv(active(branch), width, (3, 1), groups=groups)
    branch = conv(active(branch), n_out)
    squeezed = L.Dense(n_out // 2, "relu")(L.GlobalAveragePooling2D()(branch))
    excited = L.Reshape((1, 1, n_out))(L.Dense(n_out, "sigmoid")(squeezed) * 2.0)
    branch = Scalar(ALPHA)(Scalar(0.0, learned=True)(L.Multiply()([branch, excited])))
    if is_first:
        x = conv(L.AveragePooling2D((stride, 1), padding="same")(into) if stride > 1 else into, n_out)
    return L.Add()([branch, x])


def network() -> Any:
    heard = L.Input((BANDS, FRAMES, 1))
    slow, fast = stem(heard, SLOW["stem"], SLOW_STEM), stem(heard, FAST["stem"], FAST_STEM)
    for number, depth in enumerate(DEPTHS):
        fused = conv(conv(fast, SQUEEZED[number], (1, 7), (1, 4)), FUSED[number])
        slow = L.Concatenate()([slow, fused])
        variance = 1.0 if not number else 1.0 + ALPHA**2
        for place in range(depth):
            stride = 2 if number and not place else 1
            # The fast path first: nobody should count on an order.
            fast = block(fast, FAST["channels"][number], FAST["group"], stride, not place, variance)
            slow = block(slow, SLOW["channels"][number], SLOW["group"], stride, not place, variance)
            variance += ALPHA**2
    pooled = L.Concatenate()([L.GlobalAveragePooling2D()(one) for one in (slow, fast)])
    return keras.Model(heard, active(pooled))


def main() -> None:
    name = "tensorflow" if IS_2 else "keras3"
    rng = np.random.default_rng(10)
    made = network()
    for weight in made.weights:
        shape = tuple(weight.shape)
        drawn = 0.5 + 0.5 * rng.random() if not shape else rng.standard_normal(shape) * (0.3 if len(shape) < 2 else 1.0)
        weight.assign(np.asarray(drawn, "float32") + (1.0 if "gain" in weight.name else 0.0))
    heard = rng.standard_normal((2, BANDS, FRAMES, 1)).astype("float32")
    answer = np.asarray(made.predict(heard, verbose=0))
    with tempfile.TemporaryDirectory() as folder:
        made.save(f"{folder}/{name}.keras")
        with (
            zipfile.ZipFile(f"{folder}/{name}.keras") as stored,
            zipfile.ZipFile(FOLDER / f"{name}.keras", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed,
        ):
            for member in stored.namelist():
                packed.writestr(zipfile.ZipInfo(member), stored.read(member), zipfile.ZIP_DEFLATED)
    np.savez_compressed(FOLDER / f"{name}.npz", heard=heard[..., 0], answer=answer)
    print(name, keras.__version__, made.count_params(), answer.std(), file=sys.stderr)


if __name__ == "__main__":
    main()
