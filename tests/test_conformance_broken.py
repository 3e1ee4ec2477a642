"""Wrappers that are wrong in one way each, as public ones are: each is caught by the law that names its fault."""

import dataclasses
from collections.abc import Iterator, Sequence

import pytest
import torch
from torch import Tensor, nn

from earmark import conformance
from earmark.conformance import surroundings
from earmark.conformance.representations import LAWS
from tests.broken_wrappers import BROKEN, RATE, BreaksOnOddLengths, GivesOneFrame, LeavesDropoutOn, Right


@pytest.fixture(autouse=True)
def _process_as_it_was() -> Iterator[None]:
    """Some faults reach the whole process, and the law that finds them must not be what hides them."""
    with surroundings.restored():
        yield


def broken(representation: Right) -> set[str]:
    return {one.law for one in conformance.laws_of_representation(representation) if one.broken}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_wrapper_is_caught_by_the_law_that_names_its_fault(fault: str) -> None:
    representation, laws = BROKEN[fault]
    assert broken(representation) == laws


def test_a_right_one_keeps_every_law_and_is_asked_all() -> None:
    verdicts = conformance.laws_of_representation(Right())
    assert [str(one) for one in verdicts if not one.holds] == []
    assert len(verdicts) == len(LAWS)


@pytest.mark.parametrize(
    "fields",
    [{"padding_safe": False}, {"max_samples": RATE}, {"min_samples": RATE, "max_samples": RATE}, {"min_samples": 5000}],
    ids=str,
)
def test_a_right_one_within_other_limits_keeps_every_law(fields: dict[str, object]) -> None:
    assert broken(Right.carded(**fields)) == set()


def test_one_frame_a_call_is_said_by_a_frame_rate_of_0() -> None:
    verdicts = {one.law: one for one in conformance.laws_of_representation(GivesOneFrame())}
    assert [name for name, one in verdicts.items() if one.broken] == []
    assert verdicts["frame count"].holds
    assert "one frame a call" in str(verdicts["frame rate"])


def test_a_law_that_rests_on_a_broken_one_is_not_asked() -> None:
    verdicts = {one.law: one for one in conformance.laws_of_representation(LeavesDropoutOn())}
    assert verdicts["batch"].not_asked == "'deterministic' does not hold"
    assert not verdicts["batch"].holds
    assert str(verdicts["batch"]) == "batch: not asked, 'deterministic' does not hold"


def test_a_crash_is_a_verdict_with_its_error() -> None:
    (line,) = conformance.broken_by_representation(BreaksOnOddLengths())
    assert "frame count: audio that the card allows ended in KeyError: 'an odd length'. Padding inside" in line


def test_a_broken_line_says_what_broke_and_what_number_would_be_wrong() -> None:
    (line,) = conformance.broken_by_representation(Right.carded(frame_rate_hz=43.0))
    assert line.startswith(
        "frame rate: from 16000 to 32000 samples came 50 frames more; 43 frames a second at 16000 Hz"
    )
    assert "bytes an hour are off" in line


def test_n_parameters_are_counted_where_torch_can() -> None:
    class Holds(Right):
        network = None

        def __init__(self, n_parameters: int) -> None:
            self.network = nn.Linear(9, 10)
            self.card = dataclasses.replace(Right.card, n_parameters=n_parameters)

    assert broken(Holds(100)) == broken(Holds(97)) == set()
    assert broken(Holds(0)) == broken(Holds(200)) == {"card facts"}


@pytest.mark.parametrize("fault", ["seeds torch", "random by numpy", "changes threads", "switches gradients off"])
def test_a_check_leaves_the_process_as_it_was(fault: str) -> None:
    before = surroundings.look()
    conformance.laws_of_representation(BROKEN[fault][0])
    after = surroundings.look()
    assert before.moved_generators(after) == before.changed_settings(after) == ()


def test_each_law_has_a_name_of_its_own_and_rests_on_laws_before_it() -> None:
    names = [law.name for law in LAWS]
    assert len(set(names)) == len(names)
    for number, law in enumerate(LAWS):
        assert set(law.needs) <= set(names[:number])
        assert law.matters.endswith(".")


def test_a_check_hears_half_a_minute() -> None:
    heard = {"all layers": 0, "the first alone": 0}

    class Counts(Right):
        card = dataclasses.replace(Right.card, padding_safe=False)

        def embed(self, audio: Tensor, wanted: Sequence[int]) -> Tensor:
            heard["the first alone" if max(wanted) == 0 else "all layers"] += audio.numel()
            return super().embed(audio, wanted)

    assert broken(Counts()) == set()
    assert heard["all layers"] <= 25 * RATE
    assert heard["the first alone"] <= 20 * RATE


def test_torch_may_refuse_to_say_its_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> str:
        raise RuntimeError("mix of the legacy and new APIs")

    monkeypatch.setattr(torch, "get_float32_matmul_precision", refuse)
    assert surroundings.look().settings["the precision of float32 products"] == "mixed"
    assert broken(Right()) == set()
