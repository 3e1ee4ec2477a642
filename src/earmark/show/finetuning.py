"""What the command line says of fine-tuning."""

from collections.abc import Sequence
from pathlib import Path

from earmark.experiment import finetune as finetuning
from earmark.experiment.devices import Device
from earmark.show import runs
from earmark.show.said import remark


def finetuned(
    file: Path, output: Path | None, resume: bool, overrides: Sequence[str], device: Device, jobs: int, quiet: bool
) -> bool:
    """Fine-tune, saying how it stands; print scores and where all of it lies. Return whether all clips were used."""
    made = finetuning.finetune(
        file,
        folder=output,
        resume=resume,
        overrides=overrides,
        jobs=jobs,
        device=device,
        quiet=quiet,
        say=remark,
    )
    runs.run(made.run)
    for one in made.models:
        print(f"{one.name}: epoch {one.best_epoch} of {one.epochs}, validation loss {one.validation_loss:.4f}")
        print(f"  representation: {one.representation}")
        print(f"  predictor: {one.head}")
    return not made.run.failures
