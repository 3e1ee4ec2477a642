"""The command line: parsing and printing only. Rooms are imported inside the command that needs them."""

import logging
import os
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import Annotated, Literal

import typer

from earmark import __version__
from earmark.errors import EarmarkError

app = typer.Typer(
    help="Learn, embed, probe, compare and understand music audio representations.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit: 0 done · 1 a check said no · 2 your mistake · 3 done, some clips failed · 4 something to install · "
    "70 our bug · 130 interrupted, resumable.",
)

File = Annotated[Path | None, typer.Argument(help="experiment file (YAML)", show_default=False)]
Config = Annotated[Path | None, typer.Option("-c", hidden=True, help="the experiment file, as the thesis writes it")]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="override one value of the file")]
RunId = Annotated[str | None, typer.Option(help="name of the run's folder (default: a readable one)")]
Jobs = Annotated[int | None, typer.Option(help="processes of one thread each (default: all cores); changes no result")]
Json = Annotated[bool, typer.Option("--json", help="print JSON")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="no progress")]
Folder = Annotated[Path | None, typer.Option("--dir", help="where the audio lies; for a manifest, the file")]
INTERRUPTED = 130

Label = Annotated[str | None, typer.Option(help="of a dataset: this label alone")]
Stage = Literal["embed", "probe", "score"]
StageName = Literal["deform", "embed", "probe", "score"]


def _version(wanted: bool) -> None:
    if wanted:
        print(f"earmark {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="say the version")
    ] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="say more on stderr")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="say everything on stderr")] = False,
) -> None:
    level = logging.DEBUG if debug else logging.INFO if verbose else logging.WARNING
    stderr = logging.StreamHandler(sys.stderr)
    stderr.setLevel(level)  # of the handler: a run's own log hears more
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s", handlers=[stderr])


@app.command()
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
    quiet: Quiet = False,
) -> None:
    """Run an experiment, computing only what is missing, and print its table."""
    from earmark import show
    from earmark.experiment import run as running

    if stage == "deform":
        print("Deformed audio is made in memory while embedding: nothing to do before `--stage embed`.")
        return
    done = running.run(
        _required(file or config),
        run_id=run_id,
        stage=stage,
        jobs=jobs or _cores(),
        overrides=overrides or (),
        skip_clean=skip_clean,
        skip_deformed=skip_deformed,
        overwrite=overwrite,
        on_error=on_error,
        quiet=quiet,
    )
    show.run(done)
    raise typer.Exit(3 if done.failures else 0)


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


@app.command()
def plan(
    file: File = None,
    config: Config = None,
    overrides: Set = None,
    run_id: RunId = None,
    overwrite: Annotated[Literal["only-missing", "always"], typer.Option(help="what to compute")] = "only-missing",
    as_json: Json = False,
) -> None:
    """Say what `run` would do: jobs, what is already there, seconds, bytes."""
    from earmark import show
    from earmark.experiment.estimate import plan as estimate

    found = estimate(_required(file or config), overrides=overrides or (), run_id=run_id, overwrite=overwrite)
    show.estimate(found, as_json)


@app.command()
def table(
    run_name: Annotated[str, typer.Argument(metavar="RUN", help="a run's id or folder, or 'latest'")] = "latest",
    metric: Annotated[str | None, typer.Option(help="another metric than the task's first")] = None,
    average: Annotated[str | None, typer.Option(help="micro or macro")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="print Markdown")] = False,
    as_json: Json = False,
) -> None:
    """Print the tables of a run."""
    from earmark import show
    from earmark.experiment import results

    found = results.read(results.find(run_name))
    if markdown:
        print(results.table(found, metric, average))
    elif as_json:
        show.rows(found.rows)
    else:
        show.tables(found.rows, metric, average)


@app.command(name="list")
def list_(
    noun: Annotated[str, typer.Argument(help="dataset, task, representation, deformation, probe, metric or run")],
    markdown: Annotated[bool, typer.Option("--markdown", help="of datasets: print a page of all their cards")] = False,
    as_json: Json = False,
) -> None:
    """List the names that can be written in an experiment file."""
    if noun.removesuffix("s") in ("dataset", "task"):
        from earmark import show_data

        if noun.startswith("task"):
            show_data.task_list(as_json)
        else:
            show_data.datasets(as_json, markdown)
        return
    from earmark import show

    show.names(noun)


@app.command()
def describe(
    noun: Annotated[Literal["dataset", "representation", "task"], typer.Argument()],
    name: Annotated[str, typer.Argument()],
    folder: Folder = None,
    label: Label = None,
    plot: Annotated[Path | None, typer.Option(help="draw the label's counts: FILE.svg, .png, .html or .json")] = None,
    as_json: Json = False,
) -> None:
    """Describe a dataset (clips, hours, labels by split, durations, rates), a task on its dataset, a representation."""
    if noun == "representation":
        from earmark import show

        show.description(name, as_json)
        return
    from earmark import show_data

    show_data.description(noun, name, folder, label, plot, as_json)


@app.command()
def check(
    noun: Annotated[Literal["dataset", "representation", "experiment"], typer.Argument()],
    name: Annotated[str, typer.Argument(help="a name; of an experiment, its file")],
    folder: Folder = None,
    label: Label = None,
    with_audit: Annotated[
        bool, typer.Option("--audit/--no-audit", help="of a dataset: embed it, and compare the parts of its splits")
    ] = True,
    jobs: Jobs = None,
    as_json: Json = False,
) -> None:
    """Check your data, a representation or an experiment file; exit 1 when something is wrong."""
    if noun == "dataset":
        from earmark import show_data

        is_right = show_data.dataset_verdict(name, folder, label, as_json, with_audit, jobs or _cores())
    else:
        from earmark import show

        is_right = show.verdict(noun, name)
    if not is_right:
        raise typer.Exit(1)


@app.command()
def get(
    noun: Annotated[Literal["dataset"], typer.Argument()],
    name: Annotated[str, typer.Argument()],
    folder: Folder = None,
    only: Annotated[Literal["audio", "labels"] | None, typer.Option(help="one side of it")] = None,
    subset: Annotated[int | None, typer.Option(metavar="N", help="N clips, where clips can be had alone")] = None,
    stratify: Annotated[bool, typer.Option("--stratify", help="draw the subset in proportion to its labels")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="hash what is there already once more")] = False,
    jobs: Annotated[int, typer.Option(help="files fetched at once")] = 4,
    quiet: Quiet = False,
) -> None:
    """Fetch a dataset: resumable, verified; says what you must do where a program may not fetch it."""
    from earmark import show_data

    show_data.got(name, folder, only, subset, stratify, jobs, verify, quiet)


@app.command()
def embed(
    paths: Annotated[list[Path], typer.Argument(help="audio files")],
    representation: Annotated[str, typer.Option("-r", "--representation")] = "logmel",
    out: Annotated[Path, typer.Option("-o", "--out", help="where to write (.npz)")] = Path("embeddings.npz"),
) -> None:
    """Embed audio files: mean and standard deviation over time of every layer."""
    from earmark import catalogue, show

    found = catalogue.embed(paths, representation)
    show.embedded(found, out)
    raise typer.Exit(3 if found.failures else 0)


@app.command()
def doctor() -> None:
    """Look at what is installed here and whether it can work."""
    from earmark import doctor as doctor_

    found = doctor_.examine()
    for one in found:
        print(f"{one.level:>7}  {one.what}")
    if any(one.level == "error" for one in found):
        raise typer.Exit(4)


@app.command()
def schema() -> None:
    """Print the JSON Schema of experiment files, for editors."""
    import json

    from earmark.experiment import spec

    print(json.dumps(spec.json_schema(), indent=2))


@app.command()
def init(
    file: Annotated[Path, typer.Argument(help="the file to write")] = Path("experiment.yml"),
    folder: Annotated[Path | None, typer.Option("--dir", help="a folder of your audio, one sub-folder a class")] = None,
) -> None:
    """Write an experiment file to start from; never over one that exists."""
    from earmark.experiment import starter

    print(starter.write(file, folder))


@app.command()
def cite(file: File = None, config: Config = None) -> None:
    """Print BibTeX for an experiment: datasets, representations, tools, earmark. `earmark cite FILE > refs.bib`."""
    from earmark import citations

    print(citations.bibliography(_required(file or config)), end="")


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _required(file: Path | None) -> Path:
    if file is None:
        raise typer.BadParameter("give an experiment file, for example experiments/demo.yml")
    return file


def _our_bug(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    traceback.print_exception(kind, error, trace)
    print("This is a bug in earmark. Please report it with the lines above.", file=sys.stderr)
    sys.exit(70)


def main() -> None:
    """Run the command line; errors of ours end with their exit code and one message, others are our bugs."""
    sys.excepthook = _our_bug
    try:
        typer.main.get_command(app)()  # not app(): it would put a hook of its own in place of ours
    except EarmarkError as error:
        print(f"earmark: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except SystemExit as end:
        if end.code == INTERRUPTED:  # typer has caught the interrupt, and says nothing
            print("earmark: interrupted; run the same command again to go on.", file=sys.stderr)
        raise
