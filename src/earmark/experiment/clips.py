"""Where the audio of a run's test clips lies, and what may be done with it: for pages on which it is heard.

clips.jsonl    a line a test clip: dataset, clip, path on this machine, start_s, end_s
rights.json    by dataset: title, licence, and whether others may be given its audio
"""

import json
from pathlib import Path

from earmark import durable
from earmark.experiment.study import Study

CLIPS, RIGHTS = "clips.jsonl", "rights.json"


def write(folder: Path, prepared: Study) -> None:
    """Put both files into the folder of a run. They say where things lie, so they are never part of a bundle."""
    found = {
        (one.dataset, one.clip.id): one.clip
        for subjects in prepared.subjects.values()
        for subject in subjects
        for one in subject.test
    }
    lines = (
        {
            "dataset": dataset,
            "clip": clip,
            "path": str(one.path.absolute()),
            "start_s": one.start_s,
            "end_s": one.end_s,
        }
        for (dataset, clip), one in sorted(found.items())
    )
    # Both in ASCII, since the name of a file or folder may be no text at all.
    durable.write_file(folder / CLIPS, b"".join(json.dumps(line).encode() + b"\n" for line in lines))
    rights = {
        name: {"title": card.title, "licence": card.licence, "redistributable": card.redistributable}
        for name, card in sorted(prepared.cards.items())
        if name in {dataset for dataset, _ in found}
    }
    durable.write_file(folder / RIGHTS, json.dumps(rights, indent=1).encode())
