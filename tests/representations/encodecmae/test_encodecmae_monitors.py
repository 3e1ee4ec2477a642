"""What is watched equals loops over frames and codebooks; both floors say what they should of sounds made for it."""

import pytest
import torch

from earmark.representations.encodecmae import monitors
from earmark.representations.encodecmae.objective import EncodecMAE
from earmark.representations.encodecmae.settings import Settings
from earmark.representations.objective import means
from tests.representations.encodecmae import reference


def objective(settings: Settings) -> EncodecMAE:
    return EncodecMAE(settings, seed=1).double()


def test_hits_losses_and_shares_are_those_of_a_loop() -> None:
    settings = reference.miniature()
    ours, batch = objective(settings), reference.coded(settings, padded=2)
    frames = ours.draw(batch.codes, reference.seeded(3))
    with torch.no_grad():
        logits = ours.network(batch.frames, frames)
    said = ours.read(means(ours.measure(batch, frames).monitors))
    for stream in range(3):
        for kind in ("masked", "visible"):
            nats, hits = [], []
            for clip in range(reference.CLIPS):
                for frame in getattr(frames, "hidden" if kind == "masked" else "visible")[clip].tolist():
                    code = int(batch.codes[clip, stream, frame])
                    if code >= 0:
                        one = logits[clip, frame, stream]
                        nats.append(float(one.logsumexp(0) - one[code]))
                        hits.append(int(one.argmax()) == code)
            assert said[f"{kind}_nats_{stream + 1}"] == pytest.approx(sum(nats) / len(nats), abs=1e-9)
            assert said[f"{kind}_accuracy_{stream + 1}"] == pytest.approx(sum(hits) / len(hits), abs=1e-12)
    assert said["padded"] == pytest.approx(30 / 120)
    assert said["masked"] == pytest.approx(float((batch.codes[:, 0].gather(1, frames.hidden) >= 0).sum()) / 120)


def test_both_floors_are_those_of_a_loop() -> None:
    settings = reference.miniature(n_codes=4)
    ours, batch = objective(settings), reference.coded(settings, padded=2)
    frames = ours.draw(batch.codes, reference.seeded(3))
    said = ours.read(means(ours.measure(batch, frames).monitors))
    for stream in range(3):
        copied, codes = [], batch.codes[:, stream]
        for clip in range(reference.CLIPS):
            seen = frames.visible[clip].tolist()
            for frame in frames.hidden[clip].tolist():
                if codes[clip, frame] >= 0:
                    nearest = min(seen, key=lambda one, frame=frame: (abs(one - frame), one))  # type: ignore[misc]
                    copied.append(bool(codes[clip, nearest] == codes[clip, frame]))
        assert said[f"copy_accuracy_{stream + 1}"] == pytest.approx(sum(copied) / len(copied), abs=1e-12)
        often = torch.bincount(codes[codes >= 0], minlength=4).double()
        share = often / often.sum()
        assert said[f"frequent_accuracy_{stream + 1}"] == pytest.approx(float(share.max()), abs=1e-12)
        assert said[f"frequent_nats_{stream + 1}"] == pytest.approx(float(-(share * share.log()).sum()), abs=1e-12)


def test_a_code_that_never_comes_costs_the_frequent_floor_nothing() -> None:
    histogram = torch.tensor([[0.5, 0.5, 0.0, 0.0]])
    said = monitors.read({"codes": histogram})
    assert said == {"frequent_accuracy_1": 0.5, "frequent_nats_1": pytest.approx(0.6931, abs=1e-4)}


def test_floors_of_a_steady_sound_are_certain_and_of_noise_are_chance() -> None:
    settings = reference.miniature(n_codes=8)
    ours = objective(settings)
    steady, noise = (reference.coded(settings, 16, 100) for _ in range(2))
    steady.codes.copy_(torch.arange(16)[:, None, None] % 8)
    for batch, copied, frequent in ((steady, 1.0, 1 / 8), (noise, 1 / 8, 1 / 8)):
        said = ours.read(means(ours(batch, reference.seeded()).monitors))
        assert said["copy_accuracy_1"] == pytest.approx(copied, abs=0.04)
        assert said["frequent_accuracy_2"] == pytest.approx(frequent, abs=0.03)
