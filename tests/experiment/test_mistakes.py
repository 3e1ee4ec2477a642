"""Every mistake in a file gets one error, at its place, with what to write instead."""

from dataclasses import replace
from pathlib import Path

import pytest

from earmark.errors import SpecError, UserError
from earmark.experiment import spec
from tests.experiment.specimens import LEAST, mistake, parse, with_deformations

WRONG = Path(__file__).parent / "wrong"

TEN = {
    "bad_anchor": "5:22: Alias '*model' has no anchor before it. Did you mean '*models'?",
    "duplicate_names": "7:7: Key 'noise' stands here a second time. Keep one of the two.",
    "empty_list": "4:22: Expected 'representations' to be a list with at least one entry, got an empty list. "
    "Write, for example, representations: [logmel, mfcc].",
    "key_metric_on_a_multilabel_task": "7:24: Metric 'key_score' is for key tasks, and 'autotagging' is multilabel. "
    "For multilabel: f1, roc_auc, average_precision, d_prime; or write metrics: auto.",
    "missing_file": "5:19: Expected a list under 'deformations', or a word in capitals that names a file beside this "
    "one; there is no DEFORMATION.yml. Did you mean 'DEFORMATIONS.yml'? Write the list here, or into DEFORMATION.yml.",
    "missing_label": "3:11: Task 'my_task' is none of earmark's, so it must say its label. "
    "Write, for example, {name: my_task, label: instrument, kind: multiclass}.",
    "misspelt_model": "4:29: Unknown representation 'logmell'. Did you mean 'logmel'? Known: ",
    "negative_learning_rate": "5:65: Expected learning_rate to be a number above 0, got -0.001. "
    "Write, for example, learning_rate: 0.001.",
    "unknown_key": "5:5: Unknown key 'probs'. Did you mean 'probes'? Keys here: task, datasets, deformations, "
    "deformation_seed, representations, probes, metrics, train_shares, share_of, codelength, seeds, per.",
    "wrong_type": "6:12: Expected 'seeds' to be a list, got 'three'. Write, for example, seeds: [0, 1, 2].",
}


def test_each_wrong_file_has_its_message() -> None:
    assert {path.stem for path in WRONG.glob("[a-z]*.yml")} == set(TEN)


@pytest.mark.parametrize("name", TEN)
def test_a_wrong_file_gets_one_error_at_its_place(name: str) -> None:
    path = WRONG / f"{name}.yml"
    with pytest.raises(SpecError) as caught:
        spec.check_names(spec.load(path))
    said = str(caught.value)
    # What else is known grows with every representation.
    assert said.partition("Known: ")[0] == f"{path}:{TEN[name]}".partition("Known: ")[0]
    assert "\n" not in said
    assert caught.value.exit_code == 2


def test_an_error_in_a_file_beside_stands_in_that_file(tmp_path: Path) -> None:
    beside = tmp_path / "CHAINS.yml"
    beside.write_text("- - type: Gain\n    params:\n      min_gain_db: 3\n      max_gain_db: 6\n")
    with pytest.raises(SpecError) as caught:
        spec.parse(with_deformations("CHAINS"), tmp_path / "x.yml")
    assert (caught.value.path, caught.value.line, caught.value.column) == (str(beside), 4, 20)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            "[{type: Gain, params: {min_gain_db: -3, max_gain_db: 3}}]",
            (
                "6:72: Expected max_gain_db to equal min_gain_db, -3, got 3: a range belongs to a severity sweep. "
                "Write one value for both, or several, such as gain_db: {sweep: [-3, 3]}."
            ),
        ),
        (
            "{a: {type: Gain, params: {min_gain_db: 1, max_gain_db: 1, p: 0.5}}}",
            "6:80: Expected p to be 1, got 0.5: a deformation has no probability. Leave p out.",
        ),
        (
            "[snr15, snr1]",
            (
                "6:27: Expected a step such as {type: Gain, params: {min_gain_db: -12, max_gain_db: -12}}, or one of "
                "snr15, snr0, mp3-32k, gain-12; got 'snr1'. Did you mean 'snr15'?"
            ),
        ),
        ("[snr15, snr15]", "6:27: The same chain, 'snr15', stands here a second time. Keep one of the two."),
        ("{a: {type: Reverse}, b: {type: Reverse}}", "6:40: Chain 'b' is the same as 'a'. Keep one of the two."),
        (
            "{clean: {type: Reverse}}",
            "6:20: Clean audio is always scored. Leave 'clean' out, or rename the chain.",
        ),
        ("{a: {type: Gain, param: {}}}", "6:36: Unknown key 'param'. Did you mean 'params'? Keys here: type, params."),
    ],
)
def test_a_wrong_chain_is_answered_at_its_place(value: str, message: str) -> None:
    assert mistake(with_deformations(value)) == f"x.yml:{message}"


def test_an_unknown_transform_and_an_unknown_parameter_are_answered_at_the_step() -> None:
    assert mistake(with_deformations("{a: [{type: Reverse}, {type: Gian}]}")).startswith(
        "x.yml:6:41: Unknown deformation 'Gian'. Did you mean 'Gain'?"
    )
    wrong = "{a: {type: Gain, params: {min_gain: -3}}}"
    assert "6:23: Gain has no parameter 'min_gain'. Did you mean 'min_gain_db'?" in mistake(with_deformations(wrong))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[logmel]", "['random:logmell']", "4:23: Unknown representation 'logmell'."),
        ("[logmel]", "[logmel+chrma]", "4:23: Unknown representation 'chrma'. Did you mean 'chroma'?"),
        ("[logmel]", "[{name: logmel, layers: [3]}]", "4:30: 'logmel' has layers 0 to 0; got [3]."),
        ("[logmel]", "[logmel, logmel]", "4:31: Representation 'logmel' stands here a second time"),
        ("[logmel]", "['no.module:Name']", "4:23: Expected 'no.module:Name' to be importable"),
        (
            "[logmel]",
            "[hubert]",
            "4:23: Unknown representation 'hubert'. Did you mean 'hubert-",
        ),
        ("[logmel]", "[hubert-bose]", "4:23: Unknown representation 'hubert-bose'. Did you mean 'hubert-base'?"),
        ("[logmel]", "[{name: logmel, pool: [meen]}]", "4:45: Expected an entry of 'pool' to be 'mean' or 'std', got"),
        ("[M1]", "[M9]", "5:44: Unknown probe of mir_ref-fixed 'M9'."),
        ("[M1]", "[M1], epochs: 1.5", "5:58: Expected 'epochs' to be a whole number, got 1.5."),
        ("mir_ref-fixed", "mirref", "5:23: Unknown preset 'mirref'. Did you mean 'mir_ref'?"),
        ("preset: mir_ref-fixed, only: [M1]", "epochs: 3", "5:14: Expected a preset or a kind of probe."),
        ("studio_family", "studio_famly", "3:11: Task 'studio_famly' is none of earmark's, so it must say its label"),
        ("studio_family", "key_estimation", "3:11: Task 'key_estimation' brings no dataset. Write, beside it,"),
        ("name: least", "1: x", "1:1: Expected text as a key, got '1'. Put it in quotes."),
        ("name: least", "a: b: c", "1:5: Expected YAML, but: mapping values are not allowed here."),
        ("name: least", "shared: &a [*a]", "1:9: Anchor '&a' holds itself. Write the value out."),
        ("name: least", "name: le\x00st", "1:9: Expected text, got the character U+0000. Take it out."),
        ("name: least", "ci_level: 95", "1:11: Expected 'ci_level' to be below 1, got 95."),
    ],
)
def test_a_mistake_is_answered_at_its_place(old: str, new: str, message: str) -> None:
    assert mistake(LEAST.replace(old, new)).startswith(f"x.yml:{message}")


@pytest.mark.parametrize(
    ("datasets", "message"),
    [
        ("[studio, studio]", "24: Dataset 'studio' stands here a second time."),
        ("[{train: studio}]", "16: Expected a name, or train and test together."),
        ("[stduio]", "16: Unknown dataset 'stduio'."),
        ("[{name: folder}]", "16: 'folder' is your own data, so it needs a place, such as dir: data/my_audio."),
        ("[{name: folder, dir: nowhere}]", "36: There is nothing at 'nowhere'"),
        ("[{split_type: [0.8, 0.3]}]", "29: Expected ratios above 0 that sum to 1"),
        ("[{split_type: kfold-2}]", "29: Expected 'split_type' to be 'single' or 'all' or 'kfold-5' (3 or more) or"),
        (
            "[{split_type: snigle}]",
            (
                "29: Expected 'split_type' to be 'single' or 'all' or 'kfold-5' (3 or more) or a list, got 'snigle'. "
                "Did you mean 'single'?"
            ),
        ),
    ],
)
def test_a_wrong_dataset_is_answered_at_its_place(datasets: str, message: str) -> None:
    assert mistake(LEAST + f"    datasets: {datasets}\n").startswith(f"x.yml:6:{message}")


def test_the_same_experiment_twice_is_refused() -> None:
    block = LEAST.partition("experiments:\n")[2]
    assert mistake(LEAST + block) == "x.yml:6:5: This experiment is the same as one above it. Keep one of the two."


def test_an_empty_file_is_refused() -> None:
    assert mistake("") == "x.yml:1:1: Expected an experiment, got an empty file."


def test_a_file_that_is_not_there_is_named_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "demo.yml").write_text(LEAST)
    with pytest.raises(UserError, match=r"demos\.yml': No such file or directory\. Did you mean 'demo\.yml'\?"):
        spec.load(tmp_path / "demos.yml")


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.yml").write_bytes(b"\xff\xfe")
    with pytest.raises(SpecError, match="Expected UTF-8 text"):
        spec.load(tmp_path / "x.yml")


def test_an_experiment_made_in_python_has_no_places() -> None:
    made = replace(parse(LEAST.replace("logmel", "logmell")), positions={})
    with pytest.raises(UserError, match=r"^Unknown representation 'logmell'"):
        spec.check_names(made)
