"""The options that say which engine schedules jobs, and what a script that was asked for prints."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from earmark.cli.options import pairs_of

if TYPE_CHECKING:
    from earmark.experiment.engines import EngineChoice

CLUSTER = "On a cluster"
EngineName = Literal["local", "slurm", "slurm-here", "ray"]

Engine = Annotated[
    EngineName,
    typer.Option(help="who schedules the jobs; slurm-here takes SLURM's steps as processes of this machine"),
]
Partition = Annotated[str | None, typer.Option(help="of SLURM", rich_help_panel=CLUSTER)]
Array = Annotated[
    int | None, typer.Option(help="SLURM: how many tasks share the jobs (default: --jobs)", rich_help_panel=CLUSTER)
]
Sbatch = Annotated[
    list[str] | None,
    typer.Option(
        metavar="OPTION=VALUE",
        help="any other option of sbatch, such as mem=8G, account=…, time=120 (minutes a task)",
        rich_help_panel=CLUSTER,
    ),
]
PrintSbatch = Annotated[
    bool, typer.Option("--print-sbatch", help="print the script and submit nothing", rich_help_panel=CLUSTER)
]
Address = Annotated[
    str | None,
    typer.Option(
        help="Ray: of a running cluster, such as auto (default: RAY_ADDRESS, else one here for this command)",
        rich_help_panel=CLUSTER,
    ),
]


def chosen(
    name: EngineName,
    partition: str | None,
    array: int | None,
    sbatch: list[str] | None,
    print_sbatch: bool,
    address: str | None,
) -> "EngineChoice":
    """Return the engine that the options ask for."""
    from earmark.experiment.engines import EngineChoice

    asked = pairs_of("--sbatch", "OPTION=VALUE", sbatch)
    return EngineChoice(name, partition, array, asked, print_sbatch, address)


@contextmanager
def on_paper() -> Iterator[None]:
    """End the command with the script, where one was to be printed."""
    from earmark.experiment.engines import OnPaper

    try:
        yield
    except OnPaper as paper:
        from earmark.show.said import remark

        print(paper.script, end="")
        remark("Hand this to sbatch; when its tasks are done, run the same command again for what follows.")
        raise typer.Exit from None
