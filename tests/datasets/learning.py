"""A run on a miniature: log-mel and one small probe, which learn what its tones tell."""

from pathlib import Path

import pytest

import earmark
from earmark.nouns import Result

FITTING = "epochs: 300, patience: 50, learning_rate: 0.01, batch_size: 16, standardise: true"  # for so few clips


def learnt(
    task: str, dataset: str, root: Path, metric: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> list[Result]:
    """Return the probe's rows of a metric over all classes, of a run without failures whose files lie in `folder`."""
    monkeypatch.setenv("EARMARK_RUNS", str(folder / "runs"))
    file = folder / "miniature.yml"
    file.write_text(
        f"""name: miniature
resamples: 20
experiments:
  - task: {task}
    datasets: [{{name: "{dataset}", dir: {root}}}]
    representations: [logmel]
    probes: [{{preset: mir_ref-fixed, only: [M1], {FITTING}}}]
    seeds: [0]
"""
    )
    done = earmark.run(file, quiet=True)
    assert not done.failures
    return [row for row in done.rows if row.probe != "constant" and row.metric == metric and row.label is None]
