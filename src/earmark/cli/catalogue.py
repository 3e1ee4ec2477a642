"""The verbs of catalogues: many files embedded once, searched, exported, looked after."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from earmark.cli import engines
from earmark.cli.app import USE, app
from earmark.cli.data import layer_numbers
from earmark.cli.options import Jobs, Json, Quiet, cores

catalogue = typer.Typer(help="Embed your audio once; then search it, and ask probes about it.", no_args_is_help=True)
app.add_typer(catalogue, name="catalogue", rich_help_panel=USE)

Store = Annotated[Path, typer.Argument(metavar="STORE", help="the folder of the catalogue")]
Segments = Annotated[bool, typer.Option("--segments", help="segments in place of whole tracks")]


@catalogue.command()
def add(
    store: Store,
    sources: Annotated[
        list[Path] | None, typer.Argument(metavar="SOURCE…", help="folders, manifests (.csv, .tsv, .jsonl), files")
    ] = None,
    representation: Annotated[str | None, typer.Option("-r", "--representation", help="of a new catalogue")] = None,
    layers: Annotated[str | None, typer.Option(help="such as 6 or 4,5,6 or 4-8 (default: the deepest)")] = None,
    pool: Annotated[str | None, typer.Option(help="mean, std or mean,std over the frames (default: mean)")] = None,
    segment: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="length of a segment (default: the card's, else the file)")
    ] = None,
    hop: Annotated[float | None, typer.Option(metavar="SECONDS", help="from one segment to the next")] = None,
    keep: Annotated[
        Literal["tracks", "segments", "both"] | None, typer.Option(help="default: tracks; with --segment both")
    ] = None,
    prune: Annotated[bool, typer.Option("--prune", help="drop what the sources no longer have")] = False,
    retry: Annotated[bool, typer.Option("--retry", help="try what failed before again")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="say what it would take, and stop")] = False,
    jobs: Jobs = None,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="where to compute")] = "cpu",
    engine: engines.Engine = "local",
    partition: engines.Partition = None,
    array: engines.Array = None,
    sbatch: engines.Sbatch = None,
    print_sbatch: engines.PrintSbatch = False,
    address: engines.Address = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Add audio: new and changed content is heard, the rest is not. Resumable; broken files are listed (exit 3)."""
    numbers = None if layers is None else layer_numbers(layers)
    pooled = None if pool is None else [one.strip() for one in pool.split(",")]
    chosen = engines.chosen(engine, partition, array, sbatch, print_sbatch, address)
    from earmark.catalogue.form import Wish
    from earmark.show import catalogue as shown

    wish = Wish(representation, numbers, pooled, segment, hop, keep)
    if plan:
        shown.planned(store, sources or [], wish, prune, retry, jobs or cores(), as_json)
        return
    with engines.on_paper():
        is_complete = shown.added(
            store, sources or [], wish, prune, retry, jobs or cores(), chosen, device, as_json, quiet
        )
    raise typer.Exit(0 if is_complete else 3)


@catalogue.command()
def search(
    store: Store,
    query: Annotated[str, typer.Argument(metavar="AUDIO|ID", help="an audio file, or an id or path of the catalogue")],
    k: Annotated[int, typer.Option("-k", min=1, help="how many tracks")] = 10,
    where: Annotated[
        list[str] | None, typer.Option(metavar="CONDITION", help="on a label: genre=rock, bpm>=120, mood!=calm")
    ] = None,
    between: Annotated[
        str | None, typer.Option(metavar="SECONDS-SECONDS", help="only rows within these seconds of their track")
    ] = None,
    segments: Segments = False,
    approximately: Annotated[
        bool, typer.Option("--approximate", help="by the index of `earmark catalogue index`, which may miss some")
    ] = False,
    as_json: Json = False,
) -> None:
    """Find the tracks that sound most like something, exactly; with --segments where in them it occurs."""
    from earmark.show import catalogue as shown

    level: Literal["segment"] | None = "segment" if segments else None
    shown.found(store, query, k, level, where or [], seconds_of(between), approximately, as_json)


@catalogue.command()
def index(store: Store, segments: Segments = False) -> None:
    """Make an index for approximate search, worth it above a million rows. Make it again after adding."""
    from earmark.show import catalogue as shown

    shown.indexed(store, "segment" if segments else None)


@catalogue.command()
def export(
    store: Store,
    out: Annotated[Path, typer.Argument(metavar="FILE", help="FILE.parquet, .npy or .lance")],
    segments: Segments = False,
) -> None:
    """Write the embeddings, with what they are of, for other programs."""
    from earmark.show import catalogue as shown

    shown.exported(store, out, "segment" if segments else None)


@catalogue.command()
def info(store: Store, as_json: Json = False) -> None:
    """Say what a catalogue holds, how it was made, and what failed."""
    from earmark.show import catalogue as shown

    shown.described(store, as_json)


@catalogue.command()
def verify(store: Store) -> None:
    """Read everything and say what is not as it was written; exit 1 where something is lost."""
    from earmark.show import catalogue as shown

    if not shown.verified(store):
        raise typer.Exit(1)


@catalogue.command()
def compact(store: Store) -> None:
    """Make one part of many, without what is damaged, gone or twice there. Nobody may be adding."""
    from earmark.show import catalogue as shown

    shown.compacted(store)


def seconds_of(text: str | None) -> tuple[float, float] | None:
    """Return the two times of "30-60"."""
    if text is None:
        return None
    try:
        start, end = (float(one) for one in text.split("-"))
    except ValueError as error:
        raise typer.BadParameter(f"expected --between such as 30-60, got '{text}'") from error
    return start, end
