"""The verb that asks a saved probe about a whole catalogue."""

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.catalogue import Segments, Store, catalogue
from earmark.cli.options import Accuracy, Json, Raw, Unsure


@catalogue.command()
def tag(
    store: Store,
    probe: Annotated[Path, typer.Option("-p", "--probe", help="the folder of a saved probe: runs/RUN/probes/KEY")],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="FILE.parquet or .csv (default: print lines)")] = None,
    segments: Segments = False,
    unsure: Unsure = None,
    accuracy: Accuracy = None,
    raw: Raw = False,
    as_json: Json = False,
) -> None:
    """Say what a saved probe hears in every track, from the embeddings alone. It refuses embeddings that are others."""
    from earmark.catalogue import tagging
    from earmark.show import predictions

    tags = tagging.tag(
        store,
        probe,
        level="segment" if segments else "track",
        unsure=unsure,
        accuracy=accuracy,
        is_calibrated=not raw,
    )
    predictions.tagged(tags, out, as_json)
