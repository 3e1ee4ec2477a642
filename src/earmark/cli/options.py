"""The options and arguments that several verbs share."""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

File = Annotated[Path | None, typer.Argument(help="experiment file (YAML)", show_default=False)]
Config = Annotated[Path | None, typer.Option("-c", hidden=True, help="the experiment file, as the thesis writes it")]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="override one value of the file")]
RunId = Annotated[str | None, typer.Option(help="name of the run's folder (default: a readable one)")]
Jobs = Annotated[
    int | None, typer.Option(min=0, help="processes of one thread each (default, and 0: all cores); changes no result")
]
Unsure = Annotated[float | None, typer.Option(metavar="CONFIDENCE", help="say nothing of less confidence, such as 0.6")]
Accuracy = Annotated[
    float | None, typer.Option(metavar="SHARE", help="take that from the validation clips: this share was right")
]
Raw = Annotated[bool, typer.Option("--raw", help="probabilities as the probe gives them, not calibrated")]
Json = Annotated[bool, typer.Option("--json", help="print JSON")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="no progress")]
Commercial = Annotated[
    bool, typer.Option("--commercial", help="refuse what may not be used commercially, and say what remains")
]
Unverified = Annotated[
    bool, typer.Option("--unverified", help="also run what was never checked against anything; tables mark it")
]
Folder = Annotated[Path | None, typer.Option("--dir", help="where the audio lies; for a manifest, the file")]
Permutations = Annotated[int | None, typer.Option(min=1, help="of each test (default: 2,000, more for many tests)")]
Label = Annotated[str | None, typer.Option(help="of a dataset: this label alone")]
Stage = Literal["embed", "probe", "score"]
StageName = Literal["deform", "embed", "probe", "score"]


def cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0))


def required(file: Path | None) -> Path:
    """Return the experiment file, or say that one is wanted."""
    if file is None:
        raise typer.BadParameter("give an experiment file, for example experiments/demo.yml")
    return file


def pairs_of(option: str, form: str, given: list[str] | None) -> dict[str, str]:
    """Return what an option was given in a form such as OLD=NEW; say so where it is written otherwise."""
    pairs = [one.partition("=") for one in given or ()]
    for old, sign, new in pairs:
        if not (old and sign and new):
            raise typer.BadParameter(f"expected {option} {form}, got '{old}{sign}{new}'")
    return {old: new for old, _, new in pairs}
