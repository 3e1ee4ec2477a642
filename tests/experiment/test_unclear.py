"""What an experiment asks for that could only give a number of something else is refused at its place."""

from pathlib import Path

import pytest

from earmark.errors import SpecError
from earmark.experiment.study import study
from tests.experiment.layered import NAME
from tests.test_run import EXPERIMENT, make_tones

PROBE = "{kind: mlp, hidden_units: [], name: weighing, layer_weights: true}"


@pytest.fixture
def tones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path / "home"))
    make_tones(tmp_path / "audio", each=4)
    return tmp_path / "tones.yml"


def planned(file: Path, representations: str, probe: str = "{kind: logistic}", more: str = "") -> int:
    """Plan an experiment on the tones, with `more` blocks; return how many fits it has."""
    head = EXPERIMENT.format(folder=file.parent / "audio").partition("    representations:")[0]
    block = f"{head}    representations: {representations}\n    probes: [{probe}]\n    seeds: [0]\n"
    again = block.partition("experiments:\n")[2].replace("multiclass}", f"multiclass{more}}}") if more else ""
    file.write_text(f"{block}{again}resamples: 50\n")
    return len(study(file).plan().fits)


@pytest.mark.parametrize(
    ("representation", "expected"),
    [
        (f"{{name: '{NAME}'}}", "the 8 layers: their mean. Write reduce: concat beside that representation."),
        (f"{{name: '{NAME}', layers: [6, 2]}}", "the 2 layers: their mean. Write reduce: concat beside"),
        (f"{{name: '{NAME}+logmel', reduce: concat}}", "the 8 layers: their parts side by side. Leave layer_weights"),
    ],
)
def test_weights_of_layers_that_are_one_vector_are_refused(tones: Path, representation: str, expected: str) -> None:
    with pytest.raises(SpecError, match=r"tones\.yml:\d+:\d+: 'weighing' has layer_weights") as caught:
        planned(tones, f"[{representation}]", PROBE)
    assert expected in str(caught.value)


@pytest.mark.parametrize("representation", [f"{{name: '{NAME}', reduce: concat}}", f"{{name: '{NAME}', layers: [6]}}"])
def test_weights_of_layers_that_are_there_are_taken(tones: Path, representation: str) -> None:
    assert planned(tones, f"[{representation}, logmel]", PROBE) == 2


def test_a_system_that_would_have_the_rows_of_another_is_refused(tones: Path) -> None:
    cut = f"{{name: '{NAME}', layers: [3], segment_s: 0.1}}"
    with pytest.raises(SpecError, match=r"'tone' on folder:audio is scored a second time by the system") as caught:
        planned(tones, f"[{{name: '{NAME}', reduce: each}}, {cut}]")
    assert f"'{NAME} (3, mean), logistic', on other clips or fitted otherwise" in str(caught.value)
    with pytest.raises(SpecError, match=r"'logmel \(mean\), logistic'"):
        planned(tones, "[logmel]", more=", n_train: 3")


def test_a_task_may_stand_twice_where_its_systems_differ(tones: Path) -> None:
    assert planned(tones, "[logmel]", more=", aggregation: prediction") == 2


def test_bits_are_asked_of_probabilities_that_sum_to_one(tones: Path) -> None:
    assert planned(tones, "[logmel]", "{kind: mlp, name: single, loss: binary}") == 1
    with pytest.raises(SpecError, match="'single' has loss: binary, each class by itself, and a codelength needs"):
        study(tones, ["experiments.0.codelength=true"])
