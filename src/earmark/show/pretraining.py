"""What the command line says of pre-training. Apart from corpora, which need no trainer."""

from collections.abc import Sequence
from pathlib import Path

from earmark.experiment import devices
from earmark.show.said import remark
from earmark.training import pretrain as pretraining
from earmark.training.job import Hardware


def pretrained(
    file: Path,
    corpus_folder: Path | None,
    output: Path | None,
    resume: bool,
    overrides: Sequence[str],
    device: str,
    n_devices: int,
    readers: int,
    quiet: bool,
) -> None:
    """Pre-train, saying how it stands; print where the last checkpoint lies."""
    chosen = devices.choose(device)
    devices.prepare(chosen)
    made = pretraining.pretrain(
        file,
        corpus_folder=corpus_folder,
        folder=output,
        resume=resume,
        overrides=overrides,
        hardware=Hardware(chosen, n_devices, readers),
        say=_only_alarms if quiet else remark,
    )
    print(f"{made.steps:,} steps, {made.audio_s / 3600:,.2f} h heard in {made.seconds:,.0f} s")
    for alarm in made.alarms:
        print(f"alarm: {alarm}")
    print(f"path:{made.checkpoint}")


def _only_alarms(line: str) -> None:
    if line.startswith("alarm"):
        remark(line)
