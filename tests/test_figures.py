"""Figures: what they show is what was counted, and every ending gives a file of its kind."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from earmark.datasets.check import Description, LabelDescription, describe
from earmark.errors import UserError
from earmark.reports import figures
from tests.test_run import make_tones


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Description:
    from earmark.datasets import folder

    return describe(folder.load("", make_tones(tmp_path_factory.mktemp("figures") / "audio", each=10)))


def drawn(label: LabelDescription, described: Description) -> list[dict[str, object]]:
    figure = figures.label_counts(described, label)
    rows: list[dict[str, object]] = figure["data"]["values"]
    return rows


def test_the_bars_of_a_class_sum_to_its_clips(described: Description) -> None:
    (label,) = described.labels
    rows = drawn(label, described)
    for name, total, parts in label.classes:
        own = {row["part"]: row["clips"] for row in rows if row["class"] == name}
        assert sum(map(int, map(str, own.values()))) == total
        assert own == {part: count for part, count in parts.items() if count}


def test_clips_in_no_part_of_the_split_are_drawn_too(described: Description) -> None:
    (label,) = described.labels
    name, total, parts = label.classes[0]
    short = LabelDescription(label.name, label.n_clips, ((name, total + 3, parts),), (), label.split)
    assert {"class": name, "part": "no part", "clips": 3} in drawn(short, described)


@pytest.mark.parametrize(
    ("ending", "start"), [(".svg", b"<svg"), (".png", b"\x89PNG"), (".html", b"<!DOCTYPE html"), (".json", b"{")]
)
def test_the_ending_of_the_name_says_as_what_a_figure_is_written(
    ending: str, start: bytes, described: Description, tmp_path: Path
) -> None:
    target = tmp_path / f"counts{ending}"
    figures.save(figures.label_counts(described, described.labels[0]), target)
    assert target.read_bytes().lstrip().startswith(start)


def test_an_html_figure_fetches_nothing(described: Description, tmp_path: Path) -> None:
    figures.save(figures.label_counts(described, described.labels[0]), tmp_path / "counts.html")
    assert "src=" not in (tmp_path / "counts.html").read_text("utf-8")[:2000]


def test_another_ending_is_refused_with_those_that_are_known(described: Description, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"\.svg, \.png, \.html, \.json, got 'counts\.bmp'"):
        figures.save(figures.label_counts(described, described.labels[0]), tmp_path / "counts.bmp")


def test_the_command_draws_one_label_and_asks_for_it_when_there_are_several(tmp_path: Path) -> None:
    table = tmp_path / "notes.csv"
    audio = make_tones(tmp_path / "audio")
    rows = [f"{path},{path.parent.name},{path.stem}x" for path in sorted(audio.rglob("*.wav"))]
    table.write_text("\n".join(["path,tone,take", *rows]))

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "earmark", "describe", "dataset", "manifest", "--dir", str(table), *more]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    refused = run("--plot", str(tmp_path / "a.json"))
    assert refused.returncode == 2
    assert "add --label. Labels with classes: take, tone" in refused.stderr
    done = run("--label", "tone", "--plot", str(tmp_path / "a.json"))
    assert done.returncode == 0, done.stderr
    values = json.loads((tmp_path / "a.json").read_text())["data"]["values"]
    assert {row["class"] for row in values} == {"low", "middle", "high"}
