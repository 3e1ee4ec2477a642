"""Severity sweeps in an experiment file: what they are written out as, and how a wrong one is answered."""

import json
from typing import Any

import pytest

from earmark import deformations
from earmark.deformations import Chain, Step
from earmark.experiment import spec
from tests.experiment.specimens import mistake, only_block, parse, with_deformations

NOISE = "{noise: [{type: AddGaussianSNR, params: {snr_db: {sweep: %s}}}]}"


def chains(value: str) -> tuple[Chain, ...]:
    return only_block(with_deformations(value)).deformations


def test_a_list_is_a_chain_for_each_value_in_its_order() -> None:
    found = chains(NOISE % "[40, 7.5, -5]")
    assert [chain.name for chain in found] == ["noise@40", "noise@7.5", "noise@-5"]
    assert [deformations.severity_of(chain.name) for chain in found] == [40.0, 7.5, -5.0]
    assert {deformations.sweep_of(chain.name) for chain in found} == {"noise"}
    assert found[1].steps == (Step("AddGaussianSNR", {"min_snr_db": 7.5, "max_snr_db": 7.5}),)


@pytest.mark.parametrize(
    ("steps", "values"),
    [
        ("{first: 40, last: 0, step: 10}", [40, 30, 20, 10, 0]),
        ("{first: -1, last: 1, step: 0.5}", [-1, -0.5, 0, 0.5, 1]),
        ("{first: 0.1, last: 0.3, step: 0.1}", [0.1, 0.2, 0.3]),
    ],
)
def test_a_range_holds_both_its_ends_and_no_rounding(steps: str, values: list[float]) -> None:
    found = chains(NOISE % steps)
    assert [chain.steps[0].params["min_snr_db"] for chain in found] == values
    assert chains(NOISE % values) == found


def test_what_is_not_swept_stays_in_its_place_in_the_chain() -> None:
    found = chains(
        "{q: [{type: Gain, params: {gain_db: 3}}, {type: Mp3Compression, params: {bitrate: {sweep: [64, 32]}}}]}"
    )
    assert [chain.name for chain in found] == ["q@64", "q@32"]
    gain = Step("Gain", {"min_gain_db": 3, "max_gain_db": 3})
    assert [chain.steps for chain in found] == [
        (gain, Step("Mp3Compression", {"min_bitrate": rate, "max_bitrate": rate})) for rate in (64, 32)
    ]


def test_a_parameter_that_is_no_pair_is_swept_by_its_own_name() -> None:
    (one, other) = chains("{echo: [{type: Padding, params: {mode: silence, pad_section: end, fraction: 0.5}}], "
                          "late: [{type: TimeMask, params: {band_part: 0.1, fade_duration: 0.1}}]}")  # fmt: skip
    assert (one.name, other.name) == ("echo", "late")
    assert other.steps[0].params == {"min_band_part": 0.1, "max_band_part": 0.1, "fade_duration": 0.1}


def test_a_swept_chain_is_the_fixed_chain_of_the_same_content() -> None:
    (one, _) = chains(NOISE % "[15, 0]")
    preset = deformations.PRESETS["snr15"]
    assert deformations.identity_of(one) == deformations.identity_of(preset)
    assert deformations.clip_seed(one, "d", "c") == deformations.clip_seed(preset, "d", "c")


def test_minus_nothing_is_nothing() -> None:
    (one,) = chains(NOISE % "[-0.0]")
    (other,) = chains(NOISE % "[0]")
    assert one.name == other.name == "noise@0"
    assert deformations.identity_of(one) == deformations.identity_of(other)
    assert deformations.clip_seed(one, "d", "c") == deformations.clip_seed(other, "d", "c")


@pytest.mark.parametrize("by_hand_first", [True, False])
def test_a_chain_of_another_make_is_no_point_of_a_sweep(by_hand_first: bool) -> None:
    chain, sweep = '"noise@5": [{type: Gain, params: {gain_db: -6}}]', NOISE[1:-1] % "[20, 10]"
    first, second = (chain, sweep) if by_hand_first else (sweep, chain)
    named = "noise@20" if by_hand_first else "noise@5"
    assert f"By its name '{named}' is a point of the curve 'noise'" in mistake(
        with_deformations(f"{{{first}, {second}}}")
    )


def test_chains_written_out_are_points_of_one_curve() -> None:
    found = chains('{"a@1": [{type: Gain, params: {gain_db: -6}}], "a@2": [{type: Gain, params: {gain_db: -9}}]}')
    assert [deformations.severity_of(chain.name) for chain in found] == [1.0, 2.0]


def test_a_range_of_millions_is_refused_before_it_is_made() -> None:
    assert "got 2000000000001. Write a larger step." in mistake(
        with_deformations(NOISE % "{first: 0, last: 2000000000000, step: 1}")
    )


def test_a_sweep_is_written_out_and_read_back_with_its_severities() -> None:
    experiment = parse(with_deformations(NOISE % "[40, 7.5]"))
    again = parse(spec.to_yaml(experiment))
    assert again == experiment
    assert again.spec_hash == experiment.spec_hash
    assert [deformations.severity_of(chain.name) for chain in again.blocks[0].deformations] == [40.0, 7.5]


def test_chains_that_are_named_as_a_sweep_are_one() -> None:
    written = "{n@2: [{type: Gain, params: {gain_db: 2}}, {type: Reverse}], n@1: [{type: Gain, params: {gain_db: 1}}]}"
    assert [deformations.severity_of(chain.name) for chain in chains(written)] == [2.0, 1.0]


@pytest.mark.parametrize("name", ["clean", "snr15", "at@home", "a@", "@3", "a@1x", "a@nan"])
def test_other_names_have_no_severity(name: str) -> None:
    assert deformations.severity_of(name) is None
    assert deformations.sweep_of(name) is None


def test_only_what_is_behind_the_last_sign_is_the_severity() -> None:
    assert deformations.sweep_of("hall@home@0.5") == "hall@home"
    assert deformations.severity_of(deformations.swept_name("hall@home", 1e-7)) == 1e-7


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        (
            "[]",
            "6:76: Expected 'sweep' to be a mapping or a list with at least one entry, got an empty list. Write, for ",
        ),
        ("3", "6:76: Expected 'sweep' to be a mapping or a list, got 3. Write, for example, "),
        ("[1, two]", "6:80: Expected an entry of 'sweep' to be a whole number or a number, got 'two'."),
        ("[1, 2, 1]", "6:83: 1 stands here a second time. Keep one of the two."),
        ("{first: 0, last: 9}", "6:76: Missing key 'step'. Write, for example, step: 10."),
        ("{first: 0, last: 9, step: 0}", "6:102: Expected 'step' to be above 0, got 0. Write, for example, step: 10."),
        ("{from: 0, last: 9, step: 1}", "6:77: Unknown key 'from'. Keys here: first, last, step."),
        (
            "{first: 0, last: 1, step: 0.3}",
            "6:76: Expected steps of 0.3 that lead from 0 to 1, in one or more. Write, for example, {first: 40, ",
        ),
        ("{first: 0, last: 1, step: 0.001}", "6:76: Expected at most 100 values, got 1001. Write a larger step."),
    ],
)
def test_wrong_values_are_answered_at_their_place(sweep: str, message: str) -> None:
    assert mistake(with_deformations(NOISE % sweep)).startswith(f"x.yml:{message}")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            "{n: [{type: Gain, params: {gain_db: {sweeep: [1, 2]}}}]}",
            "6:56: Unknown key 'sweeep'. Did you mean 'sweep'? Keys here: sweep.",
        ),
        (
            "{n: [{type: Gain, params: {min_gain_db: {sweep: [1, 2]}}}]}",
            "6:46: 'min_gain_db' is one end of a range. Sweep both at once, as 'gain_db'.",
        ),
        (
            "{n: [{type: Gain, params: {gain_db: {sweep: [1, 2]}}}, {type: Gain, params: {gain_db: {sweep: [1, 2]}}}]}",
            "6:96: Chain 'n' already sweeps 'gain_db', and a chain has one swept parameter. Give 'gain_db' one value, ",
        ),
        (
            "[{type: Gain, params: {gain_db: {sweep: [1, 2]}}}]",
            "6:20: 'gain_db' of Gain is swept, so its chain needs a name, such as noise: [{type: …}].",
        ),
        (
            "{n@1: [{type: Reverse}], n: [{type: Gain, params: {gain_db: {sweep: [1, 2]}}}]}",
            "6:44: Chain 'n@1' stands here a second time. Keep one of the two.",
        ),
        (
            "{a: [{type: Gain, params: {gain_db: 2}}], n: [{type: Gain, params: {gain_db: {sweep: [1, 2]}}}]}",
            "6:61: Chain 'n@2' is the same as 'a'. Keep one of the two.",
        ),
        (
            "{n: [{type: Gain, params: {gain_db: 1, max_gain_db: 1}}]}",
            "6:24: Gain: 'gain_db' is both ends of its range, and 'max_gain_db' stands here too. Keep 'gain_db'.",
        ),
        (
            "{n: [{type: Gain, params: {gain: {sweep: [1, 2]}}}]}",
            "6:24: Gain has no parameter 'gain'. Did you mean 'min_gain_db'? Its parameters: min_gain_db, max_gain_db.",
        ),
        (
            "{n: [{type: Mp3Compression, params: {bitrate: {sweep: [64, 4]}}}]}",
            "6:24: Mp3Compression cannot take {'min_bitrate': 4, 'max_bitrate': 4}: min_bitrate must be ",
        ),
        (
            "{n: [{type: ClippingDistortion, params: {percentile_threshold: {sweep: [50, 200]}}}]}",
            "6:24: ClippingDistortion cannot take {'min_percentile_threshold': 200, 'max_percentile_threshold': 200}; ",
        ),
    ],
)
def test_a_wrong_sweep_is_answered_at_its_place(value: str, message: str) -> None:
    assert mistake(with_deformations(value)).startswith(f"x.yml:{message}")


def test_the_schema_knows_a_sweep_in_both_forms() -> None:
    schema: dict[str, Any] = json.loads(json.dumps(spec.json_schema()))
    params = schema["$defs"]["StepShape"]["properties"]["params"]["additionalProperties"]["anyOf"]
    assert {"$ref": "#/$defs/SweptShape"} in params
    forms = schema["$defs"]["SweptShape"]["properties"]["sweep"]["anyOf"]
    assert {"$ref": "#/$defs/RangeShape"} in forms
    assert "array" in [form.get("type") for form in forms]
    assert set(schema["$defs"]["RangeShape"]["properties"]) == {"first", "last", "step"}
