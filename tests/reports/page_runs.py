"""A small finished run on tones with hostile labels, ids and names, of which some clips have a wrong target."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

import earmark
from earmark.experiment import clips
from earmark.experiment.results import Run

RATE = 22050
HOSTILE = (
    '<img src=x onerror="window.hacked=1">',
    "</script><script>window.hacked=1</script>",
    "long " + 280 * "x" + " 🎺 \u202egnp.exe",
)
SNR0 = "<i>snr0</i> & co"
EXPERIMENT = """\
name: "tones <script>window.hacked=1</script>"
experiments:
  - task: {{name: tone, label: tone, kind: multiclass}}
    datasets: [{{name: manifest, dir: {manifest}}}]
    deformations:
      "{snr0}": [{{type: AddGaussianSNR, params: {{min_snr_db: 0, max_snr_db: 0}}}}]
    representations: [{{name: logmel, pool: [mean, std]}}, {{name: chroma}}]
    probes: [{{kind: mlp, hidden_units: [], epochs: 20, learning_rate: 0.03, batch_size: 4, standardise: true}}]
    seeds: [0, 1]
resamples: 50
"""


def made(folder: Path, redistributable: bool = True) -> Run:
    """Run an experiment on 36 regions of 3 files, half of the tests mislabelled; say whether audio may be passed on."""
    rng, lines = np.random.default_rng(0), []
    (folder / "audio").mkdir(parents=True)
    for place, label in enumerate(HOSTILE):
        frequency_hz = 220.0 * 1.5**place
        sound = 0.2 * np.sin(2 * np.pi * frequency_hz * np.arange(12 * RATE) / RATE)
        sound += 0.02 * rng.standard_normal(len(sound))
        soundfile.write(folder / "audio" / f"{place} 'quoted' #.wav", sound.astype(np.float32), RATE)
        for second in range(12):
            part = "train" if second < 6 else "valid" if second < 8 else "test"
            wrong = HOSTILE[(place + 1) % 3] if second >= 10 else label
            name = f'"><b>clip {place}-{second}</b>'
            lines.append((f"audio/{place} 'quoted' #.wav", name, second, second + 1, part, name, wrong))
    with (folder / "clips.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("path", "id", "start_s", "end_s", "split", "group", "tone:class"), *lines])
    experiment = folder / "tones.yml"
    experiment.write_text(EXPERIMENT.format(manifest=folder / "clips.csv", snr0=SNR0), "utf-8")
    with pytest.MonkeyPatch.context() as places:
        places.setenv("EARMARK_HOME", str(folder / "home"))
        places.setenv("EARMARK_RUNS", str(folder / "runs"))
        run = earmark.run(experiment, run_id="tones", quiet=True)
    rights = json.loads((run.folder / clips.RIGHTS).read_bytes())
    said = {name: one | {"redistributable": redistributable} for name, one in rights.items()}
    (run.folder / clips.RIGHTS).write_text(json.dumps(said))
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return the run, made once for all tests of a file."""
    return made(tmp_path_factory.mktemp("tones"))
