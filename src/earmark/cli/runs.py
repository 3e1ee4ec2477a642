"""The verbs of finished runs: what differs between two, a gate, a bundle, its reproduction."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from earmark.cli.app import SHARE, app
from earmark.cli.options import Jobs, Json, Permutations, Quiet, RunId, cores

Old = Annotated[str, typer.Argument(metavar="RUN_A", help="the old run's id or folder, or 'latest'")]
New = Annotated[str, typer.Argument(metavar="RUN_B", help="the new run's id or folder, or 'latest'")]
Metric = Annotated[str | None, typer.Option(help="another metric than the task's first")]
Average = Annotated[str | None, typer.Option(help="micro or macro")]
Rename = Annotated[
    list[str] | None, typer.Option("--rename", metavar="OLD=NEW", help="a representation that has another name now")
]


def _renamed(given: list[str] | None) -> dict[str, str]:
    pairs = [one.partition("=") for one in given or ()]
    for old, sign, new in pairs:
        if not (old and sign and new):
            raise typer.BadParameter(f"expected OLD=NEW, such as logmel=my_model, got '{old}{sign}{new}'")
    return {old: new for old, _, new in pairs}


@app.command(rich_help_panel=SHARE)
def diff(
    run_a: Old,
    run_b: New = "latest",
    metric: Metric = None,
    average: Average = None,
    rename: Rename = None,
    permutations: Permutations = None,
    as_json: Json = False,
) -> None:
    """Say what differs between two runs: file, software, data, numbers, and which by more than chance."""
    from earmark.analysis import escapes
    from earmark.runs import diff as differing
    from earmark.show.said import said

    found = differing.diff(run_a, run_b, metric, average, _renamed(rename), permutations)
    print(escapes.json(asdict(found), indent=1) if as_json else said(found.markdown))


@app.command(rich_help_panel=SHARE)
def gate(
    run_name: Annotated[str, typer.Argument(metavar="RUN", help="a run's id or folder, or 'latest'")],
    baseline: Annotated[str, typer.Option(help="the run that must be held: its id or folder")],
    metric: Metric = None,
    average: Average = None,
    tolerance: Annotated[float, typer.Option(help="how much a score may fall, in its own unit")] = 0.0,
    rename: Rename = None,
    permutations: Permutations = None,
    as_json: Json = False,
) -> None:
    """Say whether a run holds the scores of a baseline: exit 1 where one fell below its interval, or for certain."""
    from earmark.analysis import escapes
    from earmark.runs import gate as gating
    from earmark.show.said import said

    found = gating.gate(run_name, baseline, metric, average, tolerance, _renamed(rename), permutations)
    plain = {"passed": found.passed, **asdict(found)} if as_json else {}
    print(escapes.json(plain, indent=1) if as_json else said(found.markdown))
    raise typer.Exit(0 if found.passed else 1)


@app.command(rich_help_panel=SHARE)
def bundle(
    run_name: Annotated[str, typer.Argument(metavar="RUN", help="a run's id or folder, or 'latest'")] = "latest",
    output: Annotated[Path | None, typer.Option("-o", "--output", help="the file to write (default: RUN.zip)")] = None,
) -> None:
    """Pack a run into one zip file with citations and checksums, without audio."""
    from earmark.bundles import archive
    from earmark.show.said import remark

    made = archive.bundle(run_name, output)
    for note in made.notes:
        remark(f"note: {note}")
    print(f"{made.file}: {len(made.files)} files, {made.file.stat().st_size / 1e6:.1f} MB")


@app.command(rich_help_panel=SHARE)
def reproduce(
    file: Annotated[Path, typer.Argument(metavar="BUNDLE", help="a file that `earmark bundle` made")],
    run_id: RunId = None,
    jobs: Jobs = None,
    device: Annotated[
        Literal["auto", "cpu", "cuda"], typer.Option(help="where representations compute and networks are fitted")
    ] = "auto",
    tolerance: Annotated[float, typer.Option(help="by how much a number may differ")] = 0.0,
    from_store: Annotated[bool, typer.Option("--from-store", help="take what is in the store; checks less")] = False,
    quiet: Quiet = False,
) -> None:
    """Compute a bundle's run again, here: exit 0 where every number is the same, 1 where not, with what differs."""
    from earmark.bundles import reproduction
    from earmark.show.said import remark, said

    found = reproduction.reproduce(
        file,
        run_id=run_id,
        jobs=jobs or cores(),
        device=device,
        tolerance=tolerance,
        from_store=from_store,
        quiet=quiet,
        say=remark,
    )
    print(said(found.markdown))
    print(f"\nResults: {found.run.folder}")
    raise typer.Exit(0 if found.is_same else 1)
