"""The verbs of experiments: run, plan, compare, and those that write or read an experiment file."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from earmark.cli.app import EVALUATE, LOOK_UP, SHARE, app
from earmark.cli.engines import Address, Array, Engine, Partition, PrintSbatch, Sbatch, chosen, on_paper
from earmark.cli.options import (
    Commercial,
    Config,
    File,
    Jobs,
    Json,
    Permutations,
    Quiet,
    RunId,
    Set,
    StageName,
    Unverified,
    cores,
    pairs_of,
    required,
)


@app.command(rich_help_panel=EVALUATE)
def run(
    file: File = None,
    config: Config = None,
    run_id: RunId = None,
    stage: Annotated[StageName | None, typer.Option(help="run one stage alone")] = None,
    jobs: Jobs = None,
    overrides: Set = None,
    skip_clean: Annotated[bool, typer.Option("--skip-clean", help="leave out clean audio")] = False,
    skip_deformed: Annotated[bool, typer.Option("--skip-deformed", help="leave out deformed audio")] = False,
    overwrite: Annotated[Literal["only-missing", "always", "never"], typer.Option(help="what to compute")] = (
        "only-missing"
    ),
    on_error: Annotated[Literal["skip", "stop"], typer.Option(help="at a clip that cannot be read")] = "skip",
    commercial: Commercial = False,
    unverified: Unverified = False,
    device: Annotated[
        Literal["auto", "cpu", "cuda"], typer.Option(help="where representations compute and networks are fitted")
    ] = "auto",
    engine: Engine = "local",
    partition: Partition = None,
    array: Array = None,
    sbatch: Sbatch = None,
    print_sbatch: PrintSbatch = False,
    address: Address = None,
    quiet: Quiet = False,
) -> None:
    """Run an experiment, computing only what is missing, and print its table."""
    from earmark.experiment import run as running
    from earmark.show import runs

    if stage == "deform":
        print("Deformed audio is made in memory while embedding: nothing to do before `--stage embed`.")
        return
    with on_paper():
        done = running.run(
            required(file or config),
            run_id=run_id,
            stage=stage,
            jobs=jobs or cores(),
            overrides=overrides or (),
            skip_clean=skip_clean,
            skip_deformed=skip_deformed,
            overwrite=overwrite,
            on_error=on_error,
            commercial=commercial,
            unverified=unverified,
            device=device,
            engine=chosen(engine, partition, array, sbatch, print_sbatch, address),
            quiet=quiet,
        )
    runs.run(done)
    raise typer.Exit(3 if done.failures or done.unfitted else 0)


def _stage_alias(name: str, stage: StageName | None) -> None:
    def command(config: Config = None, file: File = None, run_id: RunId = None) -> None:
        run(file=file, config=config, run_id=run_id, stage=stage)

    app.command(name, hidden=True, help=f"the thesis' name of run --stage {stage}")(command)


for _name, _stage in (
    ("experiment", None),
    ("conduct", None),
    ("deform", "deform"),
    ("generate", "embed"),
    ("train", "probe"),
    ("evaluate", "score"),
):
    _stage_alias(_name, _stage)  # type: ignore[arg-type]  # a literal loses its type in a loop


@app.command(rich_help_panel=EVALUATE)
def plan(
    file: File = None,
    config: Config = None,
    overrides: Set = None,
    run_id: RunId = None,
    overwrite: Annotated[Literal["only-missing", "always"], typer.Option(help="what to compute")] = "only-missing",
    commercial: Commercial = False,
    unverified: Unverified = False,
    as_json: Json = False,
) -> None:
    """Say what `run` would do: jobs, what is already there, seconds, bytes."""
    from earmark.experiment.estimate import plan as estimate
    from earmark.show import runs

    found = estimate(
        required(file or config),
        overrides=overrides or (),
        run_id=run_id,
        overwrite=overwrite,
        commercial=commercial,
        unverified=unverified,
    )
    runs.estimate(found, as_json)


@app.command(rich_help_panel=EVALUATE)
def compare(
    run_name: Annotated[str, typer.Argument(metavar="RUN", help="a run's id or folder, or 'latest'")] = "latest",
    baseline: Annotated[str | None, typer.Option(help="compare each system with this one alone")] = None,
    metric: Annotated[str | None, typer.Option(help="another metric than the task's first")] = None,
    average: Annotated[str | None, typer.Option(help="micro or macro")] = None,
    deformation: Annotated[str, typer.Option(help="the condition to compare under")] = "clean",
    together: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=PATTERN", help="one system of all representations like it, such as path:*-step-0"),
    ] = None,
    permutations: Permutations = None,
    as_json: Json = False,
) -> None:
    """Say which systems of a run differ: paired intervals, permutation tests, ranks over tasks. Prints Markdown."""
    from dataclasses import asdict

    from earmark.analysis import escapes
    from earmark.runs import compare as comparing
    from earmark.show.said import said

    patterns = pairs_of("--together", "NAME=PATTERN", together)
    found = comparing.compare(run_name, metric, average, deformation, baseline, permutations, patterns)
    print(escapes.json(asdict(found), indent=1) if as_json else said(found.markdown))


@app.command(rich_help_panel=EVALUATE)
def curves(
    run_name: Annotated[str, typer.Argument(metavar="RUN", help="a run's id or folder, or 'latest'")] = "latest",
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="also event files for TensorBoard")] = False,
) -> None:
    """Write the learning curves of a run's network probes as CSV, with the epoch that was kept."""
    from earmark.runs import curves as drawing

    print(drawing.write(run_name, tensorboard))


@app.command(rich_help_panel=LOOK_UP)
def schema() -> None:
    """Print the JSON Schema of experiment files, for editors."""
    import json

    from earmark.experiment import spec

    print(json.dumps(spec.json_schema(), indent=2))


@app.command(rich_help_panel=LOOK_UP)
def init(
    file: Annotated[Path, typer.Argument(help="the file to write")] = Path("experiment.yml"),
    folder: Annotated[Path | None, typer.Option("--dir", help="a folder of your audio, one sub-folder a class")] = None,
) -> None:
    """Write an experiment file to start from; never over one that exists."""
    from earmark.experiment import starter

    print(starter.write(file, folder))


@app.command(rich_help_panel=SHARE)
def cite(file: File = None, config: Config = None) -> None:
    """Print BibTeX for an experiment: datasets, representations, tools, earmark. `earmark cite FILE > refs.bib`."""
    from earmark import citations

    print(citations.bibliography(required(file or config)), end="")
