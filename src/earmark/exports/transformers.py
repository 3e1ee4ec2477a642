"""A network of a class of transformers' as a folder that transformers loads, with a page that says what it is."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from earmark import __version__, licences
from earmark.errors import UserError
from earmark.experiment import results
from earmark.exports.written import Exported, cited, facts, files_of, plain, text
from earmark.nouns import Card
from earmark.representations import base, checkpoint
from earmark.representations.checkpoint import Contents

PAGE = "README.md"
ON_A_HUB = {"apache-2.0", "mit", "isc", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc0-1.0", "agpl-3.0", "gpl-3.0"}


def write(name: str, folder: Path, run: Path | str | None = None) -> Exported:
    """Write tensors, settings, feature extractor and page. Raises UserError where the class is not transformers' own.

    A checkpoint of ours keeps its card, so that what it heard and under which licence it is stays known.
    """
    representation: Any = base.load(name)
    card: Card = representation.card
    contents = _contents(representation, name)
    said = dict(_origin(name, card))
    if folder.exists():  # an empty one: a checkpoint is renamed into its place
        folder.rmdir()
    checkpoint.write(folder, contents, said)
    text(folder / PAGE, _page(name, card, contents, run))
    kind = str(contents.config["architectures"][0])  # type: ignore[index] # a list, since _contents has looked
    use = f'transformers.{kind}.from_pretrained("{folder}"), or: earmark embed AUDIO -r path:{folder}'
    return Exported(folder, files_of(folder), use)


def _contents(representation: Any, name: str) -> Contents:
    found = representation.contents() if hasattr(representation, "contents") else None
    if found is None or not found.config.get("architectures"):
        raise UserError(
            f"'{name}' is no network of a class of transformers', so no folder of theirs can hold it: that is "
            f"wav2vec2, hubert, data2vec, wavlm, unispeech, mert. Write --as onnx or --as hear."
        )
    contents: Contents = found
    return contents


def _origin(name: str, card: Card) -> dict[str, object]:
    """Return the card of a checkpoint of ours as it was; of others what their card says."""
    if name.startswith("path:"):
        known = checkpoint.origin(Path(name.removeprefix("path:")).expanduser())
        if known is not None:
            return {key: one for key, one in known.about.items() if key not in ("schema", "weights_sha256")}
    return {"trained_on": card.trained_on, "objective": card.objective, "licence": card.licence, "name": card.name}


def _page(name: str, card: Card, contents: Contents, run: Path | str | None) -> str:
    plain = card.licence.lower()
    kind = contents.config["architectures"][0]  # type: ignore[index] # a list, since _contents has looked
    front = {
        "license": plain if plain in ON_A_HUB else "other",
        "library_name": "transformers",
        "tags": ["audio", "music", "feature-extraction"],
    }
    head = "".join(f"{key}: {json.dumps(one)}\n" for key, one in front.items())
    refused = licences.why_not(card.licence, card.commercial)
    may = f"Commercial use: no, {refused}." if refused else "Commercial use: permitted by its licence."
    return (
        f"---\n{head}---\n\n# {card.name}\n\nWritten by earmark {__version__}.\n\n{facts(card)}\n{may}\n\n"
        f"## Use\n\n```python\nfrom transformers import {kind}\n\nnetwork = {kind}.from_pretrained(FOLDER)\n```\n\n"
        "With earmark, which normalises audio as `preprocessor_config.json` says: `path:FOLDER`.\n"
        f"{''.join(_numbers(name, run)) if run is not None else ''}{cited(card)}"
    )


def _numbers(name: str, run: Path | str) -> Iterator[str]:
    """Yield the scores that a run has of the representation. Raises UserError where it has none."""
    folder = results.find(run)
    rows = [
        row
        for row in results.rows(folder, ("seed", "label"))
        if plain(row.representation) == plain(name) and row.value is not None
    ]
    if not rows:
        raise UserError(f"The run '{folder.name}' has no scores of '{name}'. Leave it out, or name another.")
    yield f"\n## Scores\n\nOf the run `{folder.name}`: probes on frozen embeddings, mean over seeds.\n\n"
    rows = [row for row in rows if row.fold is None] or rows  # the means over folds, where there are any
    told_by = [one for one in ("pool", "preset", "train_share", "fold") if len({getattr(row, one) for row in rows}) > 1]
    columns = ("task", "dataset", "split", "deformation", "layer", *told_by, "probe", "metric", "average")
    yield f"| {' | '.join(columns)} | score | n |\n|{' --- |' * (len(columns) + 2)}\n"
    for row in rows:
        said = asdict(row)
        low = "" if row.ci_low is None or row.ci_high is None else f" [{row.ci_low:.3f}, {row.ci_high:.3f}]"
        cells = " | ".join("" if said[one] is None else str(said[one]) for one in columns)
        yield f"| {cells} | {row.value:.3f}{low} | {row.n} |\n"
