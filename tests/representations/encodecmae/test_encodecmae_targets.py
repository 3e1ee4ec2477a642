"""Targets: codes that are the codec's own, fitted codebooks, teachers, and the folder that holds them."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from earmark.errors import UserError
from earmark.representations import _weights, checkpoint, encodec
from earmark.representations.base import load as load_representation
from earmark.representations.encodecmae import codebooks, front, inputs, targets
from earmark.representations.encodecmae.front import Front
from earmark.representations.encodecmae.inputs import EncodecFrames, Inputs, Mel128, Mel256
from earmark.representations.encodecmae.targets import Joined, Residual, Targets, Teacher

TINY = "random:encodec-tiny"
CARD = {"trained_on": "noise", "objective": "none", "licence": "CC0-1.0"}


def noise(n_samples: int, rows: int = 2) -> Tensor:
    return 0.1 * torch.randn(rows, n_samples, generator=torch.Generator().manual_seed(n_samples))


def of_tiny_codec(n_streams: int = 4, heard: Inputs | None = None) -> Front:
    codec = inputs.load_codec(TINY)
    found = heard or EncodecFrames(codec)
    return Front(found, targets.of_codec(codec, found, n_streams))


def of_mel(n_streams: int = 2, n_codes: int = 8) -> Front:
    heard = Mel128()
    made = Front(heard, targets.of_inputs(heard, n_streams, n_codes))
    heard.prepare(noise(64000))
    made.targets.prepare(noise(64000), heard(noise(64000)))
    return made


class Student(nn.Module):
    """A network with a front, as an objective has it."""

    def __init__(self, made: Front) -> None:
        super().__init__()
        self.inputs, self.targets = made
        self.head = nn.Linear(made.inputs.dim, made.targets.n_codes)

    def loss(self, audio: Tensor) -> Tensor:
        frames = self.inputs(audio)
        codes = self.targets(audio, frames)[:, 0]
        return nn.functional.cross_entropy(self.head(frames).transpose(1, 2), codes)


@pytest.mark.parametrize("n_samples", [320, 641, 96000])
def test_codes_of_the_codec_are_those_of_transformers(n_samples: int) -> None:
    """Those of `Encodec.codes`, which a test of its own compares with transformers' class called by hand."""
    heard, codec = noise(n_samples), inputs.load_codec(TINY)
    model = codec.quantizer
    frames = EncodecFrames(codec)(heard)
    by_class = torch.stack([model.encode(row.T[None], 3.0)[:, 0] for row in frames])

    found = of_tiny_codec(4)(heard).codes
    assert torch.equal(found, by_class)
    assert torch.equal(found, codec.codes(heard))


def test_fewer_streams_are_the_first_ones() -> None:
    heard = noise(9600)

    assert torch.equal(of_tiny_codec(2)(heard).codes, of_tiny_codec(4)(heard).codes[:, :2])


def test_the_codec_runs_once_where_it_is_the_inputs_too() -> None:
    assert of_tiny_codec().parts[0].source is None
    assert isinstance(of_tiny_codec(heard=Mel256()).parts[0].source, EncodecFrames)


def test_mel256_stands_beside_codes_of_the_codec_in_segments_of_4_s_and_not_of_5() -> None:
    made = of_tiny_codec(heard=Mel256())
    coded = made(noise(96000))

    assert (coded.frames.shape, coded.codes.shape) == ((2, 300, 256), (2, 4, 300))
    assert torch.equal(coded.codes, of_tiny_codec()(noise(96000)).codes)
    with pytest.raises(
        UserError, match=r"the inputs give, 376, got 375 of 120000 samples\. mel256 and EnCodec agree in"
    ):
        made(noise(120000))


@pytest.mark.parametrize("kind", ["codec", "mel256+codec", "mel_rvq"])
def test_training_beside_them_changes_no_buffer_and_no_code(kind: str) -> None:
    made = {"codec": of_tiny_codec, "mel256+codec": lambda: of_tiny_codec(heard=Mel256()), "mel_rvq": of_mel}[kind]()
    heard = noise(96000)
    before = [_weights.sha256_of_state(one) for one in made]
    codes = made(heard).codes
    student = Student(made).train()
    optimiser = torch.optim.AdamW([one for one in student.parameters() if one.requires_grad], 0.1, weight_decay=0.5)
    for _ in range(3):
        optimiser.zero_grad()
        student.loss(heard).backward()  # type: ignore[no-untyped-call]
        optimiser.step()

    assert not any(one.training for part in made for one in part.modules())
    assert [_weights.sha256_of_state(one) for one in made] == before
    assert torch.equal(made(heard).codes, codes)


def test_codebooks_that_were_not_fitted_are_an_error_that_says_how_to() -> None:
    made = Front(Mel128(), targets.of_inputs(Mel128()))
    with pytest.raises(UserError, match=r"Expected fitted codebooks, got none\. Make them: earmark corpus targets"):
        made(noise(64000))


def test_preparing_fits_what_is_not_fitted_and_nothing_else() -> None:
    made, heard = of_mel(), noise(32000)
    frames = made.inputs(noise(64000)).flatten(0, 1)
    fitted = codebooks.fit(frames, 2, 8, torch.Generator().manual_seed(targets.FIT_SEED))
    before = made.parts[0].codebooks.clone()
    made.targets.prepare(heard, made.inputs(heard))

    assert torch.equal(before, fitted)
    assert torch.equal(made.parts[0].codebooks, before)


def test_too_little_audio_for_the_codes_is_an_error() -> None:
    heard = Mel128()
    with pytest.raises(UserError, match="got 50 vectors for 256 codes"):
        targets.of_inputs(heard).prepare(noise(16000, 1), heard(noise(16000, 1)))


def test_targets_that_do_not_fit_the_inputs_are_errors() -> None:
    with pytest.raises(UserError, match=r"inputs at 24000 Hz beside codes of .*, got 'mel128' at 16000 Hz"):
        of_tiny_codec(heard=Mel128())
    with pytest.raises(UserError, match="Expected 1 to 4 codebooks of 'random:encodec-tiny', got 5"):
        of_tiny_codec(5)
    with pytest.raises(UserError, match="Expected mel frames for mel_rvq, got inputs of a codec"):
        targets.of_inputs(inputs.inputs("encodec", TINY))


class Loud:
    """A teacher of two layers: the magnitude of each half of a hop of 320, and twice that. Remembers its audio."""

    card = replace(
        encodec.CARD, name="loud", sample_rate=16000, frame_rate_hz=50.0, dim=2, layers=2, weights_sha256="a" * 64
    )

    def __call__(self, audio: Tensor, layers: Sequence[int] | None = None) -> Tensor:
        halves = audio.reshape(len(audio), -1, 2, 160).abs().mean(3)
        return torch.stack([halves * (1 + layer) for layer in layers or (0, 1)], 1)


def of_loud(n_codes: int = 6, layer: int = 1) -> Residual:
    made = targets.of_teacher(Loud(), layer, 1, n_codes)
    made.prepare(noise(64000), Mel128()(noise(64000)))
    return made


def test_a_teachers_codes_are_of_its_layer_of_the_whole_segment() -> None:
    made, heard = of_loud(), noise(64000)
    layer = Loud()(heard, [1])[:, 0]

    assert torch.equal(
        made(heard, torch.zeros(2, 200, 1))[:, 0],
        codebooks.nearest(layer.flatten(0, 1), made.codebooks[0]).view(2, 200),
    )
    assert of_loud(layer=0).codebooks.abs().max() < made.codebooks.abs().max()
    with pytest.raises(UserError, match="'loud' has layers 0 to 1; got 2"):
        of_loud(layer=2)


def test_a_teachers_weights_are_no_part_of_what_it_teaches() -> None:
    teacher = load_representation("random:encodec-tiny")
    made = targets.of_teacher(teacher, 2, n_codes=4)

    assert isinstance(teacher, nn.Module)
    assert set(made.state_dict()) == {"codebooks"}
    assert not list(made.parameters())
    assert made.codebooks.shape == (1, 4, 16)


def test_a_teacher_may_stand_in_a_graph() -> None:
    """Tensors made in inference mode may not: a projection that learns would refuse them."""
    frames = Teacher(load_representation("random:encodec-tiny"), 0, "random:encodec-tiny")(noise(3200))

    torch.nn.Linear(16, 2)(frames).sum().backward()
    assert not frames.is_inference()


def test_streams_are_joined_in_order() -> None:
    mel, heard = of_mel(2, 6), noise(64000)
    joined = Joined([*mel.parts, of_loud(6)])
    frames = mel.inputs(heard)
    found = joined(heard, frames)

    assert (joined.n_streams, joined.n_codes) == (3, 6)
    assert torch.equal(found[:, :2], mel.targets(heard, frames))
    assert torch.equal(found[:, 2:], of_loud(6)(heard, frames))
    with pytest.raises(UserError, match="of one number of codes, got 6 and 8"):
        Joined([*mel.parts, of_loud(8)])


def save(folder: Path, made: Front) -> Path:
    checkpoint.write(folder, made.contents(), CARD)
    return folder


@pytest.mark.parametrize("kind", ["codec", "mel256+codec", "mel_rvq", "codec+kmeans"])
def test_a_folder_gives_the_same_frames_and_codes(kind: str, tmp_path: Path) -> None:
    taught = targets.of_teacher(load_representation(TINY), 1, n_codes=1024)
    taught.codebooks.copy_(of_tiny_codec(1).parts[0].codebooks)
    codec = of_tiny_codec()
    made = {
        "codec": codec,
        "mel256+codec": of_tiny_codec(heard=Mel256()),
        "mel_rvq": of_mel(),
        "codec+kmeans": Front(codec.inputs, Joined([*codec.parts, taught])),
    }[kind]
    again, heard = front.load(save(tmp_path / "front", made)), noise(96000)

    assert again.config() == made.config()
    assert again.hears_whole_tracks == made.hears_whole_tracks == (kind in ("codec", "mel_rvq"))
    for ours, theirs in zip(again(heard), made(heard), strict=True):
        assert torch.equal(ours, theirs)


def test_the_weights_of_a_codec_are_not_in_the_folder(tmp_path: Path) -> None:
    assert set(load_file(save(tmp_path / "front", of_tiny_codec()) / "model.safetensors")) == {"targets.0"}


def test_a_folder_that_was_made_with_other_weights_is_refused(tmp_path: Path) -> None:
    folder = save(tmp_path / "front", of_tiny_codec())
    config = json.loads((folder / "config.json").read_text())
    config["inputs"]["codec"] = config["targets"][0]["codec"] = "random:encodec-tiny@1"
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=r"made with other weights of 'random:encodec-tiny@1' .* Restore those weights"):
        front.load(folder)


def test_folders_of_another_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"which holds no config.json\. Make one: earmark corpus targets"):
        front.load(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(UserError, match="Expected JSON in"):
        front.load(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "wav2vec2"}')
    with pytest.raises(UserError, match="which is a 'wav2vec2'"):
        front.load(tmp_path)


def test_a_folder_with_other_tensors_than_it_says_is_refused(tmp_path: Path) -> None:
    folder = save(tmp_path / "front", of_mel())
    tensors = load_file(folder / "model.safetensors")
    save_file({**tensors, "targets.0": tensors["targets.0"][:1]}, folder / "model.safetensors")
    with pytest.raises(UserError, match=r"Expected 2 codebooks of 8 codes in .*, found \(1, 8, 128\)"):
        front.load(folder)
    save_file({name: one for name, one in tensors.items() if name != "inputs.mean"}, folder / "model.safetensors")
    with pytest.raises(UserError, match="is of another architecture: mean differ"):
        front.load(folder)


def test_targets_of_a_users_own_have_no_folder() -> None:
    class Own(Targets):
        n_streams, n_codes = 1, 2

        def forward(self, audio: Tensor, frames: Tensor) -> Tensor:
            return frames.argmax(2)[:, None]

        def prepare(self, audio: Tensor, frames: Tensor, seed: int = 0) -> None:
            return

    with pytest.raises(UserError, match="Expected targets of codebooks, got Own"):
        front.parts(Own())
