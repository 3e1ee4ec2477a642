"""Computing the run of a bundle again, here, and naming whatever comes out otherwise."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from earmark import places
from earmark.bundles import archive
from earmark.counted import counted
from earmark.errors import UserError
from earmark.experiment import finetune as finetuning
from earmark.experiment import ingredients, results
from earmark.experiment import run as running
from earmark.experiment.devices import Device
from earmark.experiment.ingredients import Difference
from earmark.experiment.results import Run
from earmark.runs import diff
from earmark.runs.diff import Numbers
from earmark.training.finetune.learn import Say


@dataclass(frozen=True)
class Reproduction:
    """A bundle's run and the same run here: what differs in its numbers, and what that may come of."""

    bundle: Path
    run: Run
    tolerance: float
    config: tuple[Difference, ...]
    software: tuple[Difference, ...]
    data: tuple[Difference, ...]
    numbers: Numbers
    notes: tuple[str, ...]

    @property
    def is_same(self) -> bool:
        """Whether every number of the bundle came out again, within the tolerance, and no other."""
        return self.numbers.is_same

    @property
    def markdown(self) -> str:
        """What differs, and the verdict last."""
        found = {"Data and weights": self.data, "Software and machine": self.software, "Experiment file": self.config}
        blocks = [diff.listing(what, each) for what, each in found.items()]
        within = f" within {self.tolerance:g}" if self.tolerance else ""
        verdict = f"Reproduced: all {counted(self.numbers.n_rows, 'row')} came out again{within}."
        if not self.is_same:
            verdict = f"Not reproduced: {self._cause}."
        return "\n\n".join((*blocks, self.numbers.markdown, *self.notes, verdict))

    @property
    def _cause(self) -> str:
        """Return what the numbers may differ for, as far as it is recorded."""
        kinds = {"data or weights": self.data, "the experiment file": self.config, "software or machine": self.software}
        found = [what for what, each in kinds.items() if each]
        if not found:
            return "nothing that is recorded differs, so another processor or device computes otherwise"
        return f"what differs here is {' and '.join(found)}"


def reproduce(
    file: Path | str,
    *,
    run_id: str | None = None,
    jobs: int = 1,
    device: Device = "auto",
    tolerance: float = 0.0,
    from_store: bool = False,
    quiet: bool = False,
    say: Say = print,
) -> Reproduction:
    """Run the experiment of a bundle here, or its fine-tuning, and return what came out otherwise than there.

    Everything is computed anew, in a store that is removed afterwards; with `from_store` what the usual store holds
    is taken from it, which checks less. `run_id` None: that of the bundle's run with "-reproduced" behind. Numbers
    may differ by `tolerance`; on a CPU of the same kind they should not differ at all, those of fine-tuned networks
    with as many threads. `say` hears how fine-tuning stands. Own data and own code must lie where the experiment says,
    seen from the current folder. Raises DataError for what is no bundle, and what `run.run` and `finetune.finetune`
    raise.
    """
    if not tolerance >= 0:
        raise UserError(f"Expected a tolerance of 0 or more, got {tolerance:g}.")
    with (
        TemporaryDirectory(prefix="earmark-") as unpacked,
        TemporaryDirectory(prefix="reproducing-", dir=places.writable(places.home())) as new,
    ):
        folder = Path(unpacked) / "bundle"
        found = archive.unpack(Path(file), folder)
        there = results.read(folder)
        name = run_id or f"{found.run}-reproduced"
        store = None if from_store else Path(new)
        experiment, finetuned = folder / results.EXPERIMENT, folder / results.FINETUNING
        if experiment.is_file():
            here = running.run(experiment, run_id=name, jobs=jobs, device=device, store=store, quiet=quiet)
        else:
            here = _finetuned(finetuned, name, jobs, device, store, quiet, say)
        rest = "the rest was in the store" if from_store else "nothing was taken from the store"
        notes = [f"{counted(here.jobs_done, 'job')} computed here, {rest}."]
        if ingredients.read(folder) is None:
            notes.append("The bundle does not say what it was made of: audio, labels and weights are not compared.")
        return Reproduction(
            Path(file),
            here,
            tolerance,
            diff.config(folder, here.folder),
            diff.software(folder, here.folder),
            diff.data(folder, here.folder),
            diff.numbers(there.rows, here.rows, tolerance),
            (*notes, *here.notes),
        )


def _finetuned(file: Path, name: str, jobs: int, device: Device, store: Path | None, quiet: bool, say: Say) -> Run:
    """Fine-tune as a file says, going on with a reproduction that was interrupted.

    Raises UserError for a run that is whole: its networks would be compared, and none be made.
    """
    folder = places.runs_folder() / name
    if (folder / results.ROWS).is_file():
        raise UserError(
            f"'{folder}' holds a fine-tuning already. Give this one another name by --run-id, or remove it."
        )
    is_begun = (folder / results.FINETUNING).is_file()
    return finetuning.finetune(
        file, folder=folder, resume=is_begun, jobs=jobs, device=device, store=store, quiet=quiet, say=say
    ).run
