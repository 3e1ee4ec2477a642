"""What the command line prints of saved probes: what one says of files, and of a catalogue."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from earmark.analysis import escapes
from earmark.catalogue.prediction import Predictions
from earmark.catalogue.tagging import Tagging
from earmark.counted import counted
from earmark.experiment.probe_folders import ProbeCard
from earmark.probes.calibration import Calibration
from earmark.show.runs import failures
from earmark.show.said import remark


def predicted(found: Predictions, as_json: bool = False) -> None:
    """Print what a probe says of files: a line a file, or JSON lines with every score.

    A line of classes has the probability of the best; where that is unsure, the best itself is the last column.
    """
    for path, answer in zip(found.paths, found.answers, strict=True):
        if as_json:
            print(escapes.json({"path": path.as_posix(), **answer}))
        else:
            print(_line([path.as_posix(), *_columns(answer)]))
    failures(found.failures)
    _about(found.card, found.calibration, found.unsure_below)


def _line(cells: Sequence[str]) -> str:
    """Return cells side by side; others wrote the names in them, which may hold anything."""
    return "\t".join(map(escapes.plain, cells))


def _columns(answer: Mapping[str, Any]) -> list[str]:
    if isinstance(answer["unsure"], list):
        return [answer["prediction"], *([f"unsure: {', '.join(answer['unsure'])}"] if answer["unsure"] else [])]
    if answer["confidence"] is None:
        return [answer["prediction"]]
    best = max(answer["scores"], key=answer["scores"].get)
    return [answer["prediction"], f"{answer['confidence']:.3f}", *([f"perhaps {best}"] if answer["unsure"] else [])]


def tagged(tags: Tagging, out: Path | None, as_json: bool = False) -> None:
    """Write what a probe says of a catalogue into a file, or print a line a track, or segment with its seconds."""
    if out is not None:
        tags.write(out)
        print(out)
    elif as_json:
        for table in tags.tables():
            print(escapes.in_json(table.write_ndjson()), end="")
    else:
        for block in tags.blocks():
            named = tags.catalogue.named(block.keys)
            for key, (start_s, end_s), answer in zip(
                block.keys, block.times_s.tolist(), block.said.answers, strict=True
            ):
                place = [f"{start_s:.2f}-{end_s:.2f} s"] if tags.level == "segment" else []
                for file in named.get(key, ()):
                    print(_line([file.id, *place, *_columns(answer)]))
    _about(tags.saved.card, tags.saved.calibration, tags.unsure_below)


def _about(card: ProbeCard, calibration: Calibration | None, unsure_below: float) -> None:
    """Say what answered, and how far its probabilities can be believed."""
    hears = " + ".join(card.hears)
    remark(f"{card.task} by {card.probe} on {hears}, fitted on {card.dataset} {card.dataset_version}".rstrip())
    if card.kind == "regression":
        remark("values as the probe gives them")
    elif calibration is None:
        remark("probabilities as the probe gives them: not calibrated")
    else:
        before, after = calibration.before, calibration.after
        remark(
            f"calibrated on {counted(calibration.n_clips, 'validation clip')}: log loss {before.log_loss:.3f} → "
            f"{after.log_loss:.3f}, calibration error {before.calibration_error:.3f} → {after.calibration_error:.3f}"
            + (f"; unsure below {unsure_below:g}" if unsure_below else "")
        )
