"""Small finished runs for the app, with audio to hear, and labels that are no plain words."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile

import earmark
from earmark.experiment import results
from earmark.experiment.results import Run
from tests.runs.made_rows import ROW

RATE = 22050
HOSTILE = (
    '<script>document.title="hacked"</script>',
    "**bold** [link](x) :red[red] $x^2$ `code`",
    "\u202eright-to-left \"quoted\" 'single' \\ \n line",
    "long " * 60 + "🎺",
)
"""Labels that would act in HTML, Markdown, text direction or layout."""

EXPERIMENT = """\
name: {name}
experiments:
  - task: {{name: tone, label: label, kind: multiclass}}
    datasets: [{{name: manifest, dir: {manifest}, split_type: [0.5, 0.25, 0.25]}}]
    deformations:
      "snr0 **b**": [{{type: AddGaussianSNR, params: {{min_snr_db: 0, max_snr_db: 0}}}}]
    representations: [chroma, mfcc]
    probes: [{{kind: mlp, name: line, hidden_units: [], epochs: {epochs}}}, {{kind: knn, name: near}}{extra}]
    seeds: [0, 1]
resamples: 20
"""


def audible(folder: Path, name: str = "heard", epochs: int = 2, extra: Sequence[str] = ()) -> Run:
    """Return a run on half-second tones, two classes a pitch, eight clips a class; `extra` are more probes, in YAML."""
    folder.mkdir(parents=True, exist_ok=True)
    manifest = folder / "clips.jsonl"
    if not manifest.is_file():
        manifest.write_text("\n".join(_lines(folder)) + "\n", encoding="utf-8")
    file, more = folder / f"{name}.yml", "".join(f", {one}" for one in extra)
    file.write_text(EXPERIMENT.format(name=name, manifest=json.dumps(str(manifest)), epochs=epochs, extra=more))
    return earmark.run(file, run_id=name, quiet=True)


def _lines(folder: Path) -> list[str]:
    rng, lines = np.random.default_rng(0), list[str]()
    for place in range(8 * len(HOSTILE)):
        label = place % len(HOSTILE)
        path = folder / f"clip <b>{place:02}<i>.wav"
        tone = 0.2 * np.sin(np.arange(RATE // 2) * 2 * np.pi * 220 * (1 + label // 2) / RATE)
        soundfile.write(path, tone + 0.01 * rng.standard_normal(len(tone)), RATE)
        lines.append(json.dumps({"path": path.name, "label": HOSTILE[label]}))
    return lines


def odd(folder: Path) -> Run:
    """Return a run of rows alone: a missing cell, a score that is undefined, one clip, a hostile task."""
    rows = [
        replace(ROW, run=folder.name, task=HOSTILE[0], representation=name, deformation=chain, value=value, n=1)
        for name, chain, value in (("a", "clean", 0.5), ("a", "snr", None), ("b", "clean", 0.25))
    ]
    folder.mkdir(parents=True)
    results.write_rows(folder, rows)
    return Run(folder, tuple(rows), ())
