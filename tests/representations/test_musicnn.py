"""MusiCNN against the graph it was published as, its reader of checkpoints, and its front end against librosa."""

import hashlib
import zipfile
from pathlib import Path

import librosa
import numpy as np
import pytest
import torch

from earmark import conformance, places
from earmark.errors import DataError, MissingPart, UserError
from earmark.representations import _tf_checkpoint, base, embed, musicnn
from tests.real_weights import fetched

GOLDEN = Path(__file__).parent.parent / "golden" / "musicnn"
INDEX, DATA = (GOLDEN / "tiny.index").read_bytes(), (GOLDEN / "tiny.data-00000-of-00001").read_bytes()
INPUTS = {
    "random-187": "4cd7b02b77cb7f0deac90c4fe452e43ac774536e1dfcc5fd9fac0afb04e4c567",
    "random-63": "b91a233a9eb817a1613fe289ab51ba279559ec03226c69354a522a276c968af3",
    "random-300": "889cbf8bcbb1d4d5136602b34346f9781aef024e56c925a840196e5aea02141a",
    "notes": "cc04919d49a3b5b9e07f986affe8b729e636903faa6078186c700cdcfb93c64a",
}
N_PATCHES = {187: 8, 63: 2, 300: 2}


@pytest.fixture(scope="module")
def goldens() -> dict[str, np.ndarray]:
    with np.load(GOLDEN / "goldens.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def wheel() -> Path:
    """The real weights, fetched once for one name."""
    return fetched("musicnn-mtt")


def put_wheel(name: str, *members: str) -> Path:
    """Put a wheel that holds the small checkpoint where `earmark get weights NAME` puts the real one."""
    path = places.weights_folder(name) / musicnn.WHEEL.path
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as wheel:
        for member in members:
            wheel.writestr(member, INDEX if member.endswith(".index") else DATA)
    return path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path))


def patches(group: str, goldens: dict[str, np.ndarray]) -> torch.Tensor:
    """The inputs of the goldens, which are what they were when TensorFlow saw them."""
    drawn = goldens["notes"]
    if group != "notes":
        length = int(group.removeprefix("random-"))
        rng = np.random.Generator(np.random.PCG64(length))
        drawn = 4 * rng.random((N_PATCHES[length], length, 96), dtype=np.float32)
    assert hashlib.sha256(drawn.tobytes()).hexdigest() == INPUTS[group]
    return torch.from_numpy(drawn.astype(np.float32))


def noise(n_samples: int, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.Generator(np.random.PCG64(seed)).standard_normal(n_samples)).astype(np.float32)


def largest_difference(
    network: musicnn.Network, log_mel: torch.Tensor, goldens: dict[str, np.ndarray], where: str
) -> dict[str, float]:
    """How far each output is from TensorFlow's; the pools, whose numbers are not bounded, as a part of the largest."""
    with torch.inference_mode():
        pooled = network.pooled(log_mel)
        penultimate = network.penultimate(pooled)
        ours = {
            "max_pool": pooled[:, 0::2],
            "mean_pool": pooled[:, 1::2],
            "penultimate": penultimate,
            "logits": network.logits(penultimate),
        }
    theirs = {name: goldens[f"{where}/{name}"] for name in ours}
    apart = {name: np.abs(ours[name].numpy()[: len(theirs[name])] - theirs[name]).max() for name in ours}
    return {name: float(apart[name] / (np.abs(theirs[name]).max() if "pool" in name else 1)) for name in ours}


def test_a_small_network_says_what_the_original_graph_says(goldens: dict[str, np.ndarray]) -> None:
    network = musicnn.Network(musicnn.TINY)
    musicnn.read_weights(network, INDEX, DATA)
    differences = largest_difference(network, patches("random-187", goldens)[:2], goldens, "tiny")
    assert max(differences.values()) < 1e-5, differences
    assert np.abs(goldens["tiny/logits"]).max() > 0.1, "the goldens are not trivial"


@pytest.mark.slow
@pytest.mark.parametrize("group", INPUTS)
@pytest.mark.parametrize("model", ["mtt", "msd"])
def test_the_published_networks_say_what_the_original_graph_says(
    model: str, group: str, goldens: dict[str, np.ndarray], wheel: Path
) -> None:
    network = musicnn.load(model).network
    where = f"{model.upper()}_musicnn/{group}"
    differences = largest_difference(network, patches(group, goldens), goldens, where)
    assert max(differences.values()) < 1e-4, differences


@pytest.mark.slow
def test_weights_fetched_for_one_name_are_there_for_all(wheel: Path) -> None:
    audio = torch.from_numpy(noise(48_128))[None]
    units, pooled = musicnn.load("msd"), musicnn.load("msd-pool")
    assert units.card.weights_sha256 == pooled.card.weights_sha256 != musicnn.load("mtt").card.weights_sha256
    with torch.inference_mode():
        expected = units.network.penultimate(pooled(audio)[:, 0, 0])
    torch.testing.assert_close(units(audio)[:, 0, 0], expected)
    for representation in (units, pooled):
        assert conformance.broken_by_representation(representation) == ()


@pytest.mark.slow
def test_a_violin_is_tagged_as_one(goldens: dict[str, np.ndarray], wheel: Path) -> None:
    network = musicnn.load("mtt").network
    with torch.inference_mode():
        logits = network.logits(network.penultimate(network.pooled(patches("notes", goldens))))
    assert musicnn.TAGS["mtt"][int(logits[0].argmax())] == "violin"


@pytest.mark.parametrize("variant", musicnn.CARDS)
def test_random_weights_keep_every_law_and_the_card_is_true(variant: str) -> None:
    made = musicnn.build(variant, 0)
    assert conformance.broken_by_representation(made) == ()
    assert made.card.n_parameters == sum(one.numel() for one in made.network.parameters())
    assert (made.card.trained_on, made.card.licence, made.card.sources) == ("nothing", "Apache-2.0", ())
    assert len(set(made.tags)) == made.network.dense[1].get_parameter("bias").shape[0], "a tag for each output"


def test_random_weights_are_those_of_their_seed() -> None:
    audio = torch.from_numpy(noise(16_000))[None]
    same, again, other = (base.load(f"random:musicnn-tiny{seed}") for seed in ("", "@0", "@1"))
    assert torch.equal(same(audio), again(audio))
    assert not torch.equal(same(audio), other(audio))
    assert same.card.weights_sha256 == again.card.weights_sha256 != other.card.weights_sha256
    assert (same.card.name, other.card.name) == ("random:musicnn-tiny", "random:musicnn-tiny@1")


@pytest.mark.usefixtures("home")
def test_neither_drawing_nor_loading_weights_moves_the_global_generator() -> None:
    before = torch.random.get_rng_state()
    musicnn.build("tiny", 5)
    put_wheel("musicnn-msd", "musicnn/MSD_musicnn/.index", "musicnn/MSD_musicnn/.data-00000-of-00001")
    with pytest.raises(DataError):
        musicnn.load("msd")
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_front_end_equals_librosa() -> None:
    samples = noise(20_000)
    theirs = librosa.feature.melspectrogram(
        y=samples, sr=16000, hop_length=256, n_fft=512, n_mels=96, pad_mode="reflect"
    )
    ours = musicnn.build("tiny", 0).log_mel(torch.from_numpy(np.pad(samples, 256, mode="reflect"))[None])[0]
    np.testing.assert_allclose(ours, np.log10(10_000 * theirs.T + 1), atol=2e-5)


def test_segments_as_wide_as_the_package_cuts_them_give_its_patches() -> None:
    samples, made = noise(160_000), musicnn.build("tiny", 0)
    mel = librosa.feature.melspectrogram(
        y=samples, sr=16000, hop_length=256, n_fft=512, n_mels=96, pad_mode="reflect"
    ).T
    log_mel = torch.from_numpy(np.log10(10_000 * mel + 1).astype(np.float32))
    theirs = torch.stack([log_mel[first : first + 187] for first in range(0, len(mel) - 186, 187)])
    with torch.inference_mode():
        expected = made.network.penultimate(made.network.pooled(theirs))
    reflected = np.pad(samples, 256, mode="reflect")
    ours = embed.frame_embeddings(made, reflected, None, 48_128 / 16_000, 47_872 / 16_000)
    vectors = np.concatenate([frames[0] for frames in ours])
    assert vectors.shape == (4, 8), "three whole patches and a tail, which the package drops"
    np.testing.assert_allclose(vectors[:3], expected, atol=1e-4)


def test_blocks_of_frames_change_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    audio, made = torch.from_numpy(noise(100_000))[None], musicnn.build("tiny", 0)
    in_blocks = made(audio)
    monkeypatch.setattr(musicnn, "BLOCK_FRAMES", 1_000)
    torch.testing.assert_close(in_blocks, made(audio), atol=1e-5, rtol=1e-5)


def test_the_tags_of_a_segment_are_likelihoods() -> None:
    made = musicnn.build("tiny", 0)
    audio = torch.from_numpy(np.stack([noise(16_000), noise(16_000, 1)]))
    likely = made.likelihoods(audio)
    with torch.inference_mode():
        logits = made.network.logits(made(audio)[:, 0, 0])
    torch.testing.assert_close(likely, 1 / (1 + (-logits).exp()))
    assert likely.shape == (2, len(made.tags))


def test_a_network_for_tests_has_no_weights_to_load() -> None:
    with pytest.raises(UserError, match=r"'musicnn-tiny' has no weights.* Write 'random:musicnn-tiny'\."):
        base.load("musicnn-tiny")


@pytest.mark.usefixtures("home")
def test_missing_weights_are_named_with_the_line_to_type() -> None:
    with pytest.raises(MissingPart, match=r"musicnn-0\.1\.0.*\.whl; licence: ISC\)\. Type: earmark get weights"):
        base.load("musicnn-msd")


@pytest.mark.usefixtures("home")
def test_a_checkpoint_of_another_network_is_refused() -> None:
    put_wheel("musicnn-mtt-pool", "musicnn/MSD_musicnn/.index", "musicnn/MSD_musicnn/.data-00000-of-00001")
    with pytest.raises(DataError, match=r"another network: 'conv2d/kernel' is \(8, 1, 7, 38\), expected \(204, 1"):
        base.load("musicnn-msd")


@pytest.mark.usefixtures("home")
def test_what_is_not_the_wheel_is_refused() -> None:
    path = put_wheel("musicnn-msd", "musicnn/MTT_musicnn/.index")
    with pytest.raises(DataError, match=r"no item named 'musicnn/MSD_musicnn/\.index'.*Remove it, and type"):
        base.load("musicnn-msd")
    path.write_bytes(b"no zip")
    with pytest.raises(DataError, match="File is not a zip file"):
        base.load("musicnn-msd")


def test_a_checkpoint_holds_its_tensors_by_name() -> None:
    tensors = _tf_checkpoint.read(INDEX, DATA, ["conv2d/kernel", "dense_1/bias"])
    assert {name: tensor.shape for name, tensor in tensors.items()} == {
        "conv2d/kernel": (7, 38, 1, 8),
        "dense_1/bias": (5,),
    }
    assert all(tensor.dtype == np.float32 for tensor in tensors.values())


def test_no_damaged_byte_of_an_index_is_taken() -> None:
    padding = range(len(INDEX[:-8].rstrip(b"\0")), len(INDEX) - 8)  # of the footer, which nobody reads
    for place in [place for place in range(0, len(INDEX), 3) if place not in padding]:
        damaged = INDEX[:place] + bytes([INDEX[place] ^ 0x10]) + INDEX[place + 1 :]
        with pytest.raises(DataError, match="not the TensorFlow checkpoint expected"):
            _tf_checkpoint.read(damaged, DATA, ["conv2d/kernel"])


@pytest.mark.parametrize("n_bytes", [0, 47, 48, 1000])
def test_an_index_that_was_cut_is_refused(n_bytes: int) -> None:
    with pytest.raises(DataError, match="does not end as a table does"):
        _tf_checkpoint.read(INDEX[:n_bytes], DATA, ["conv2d/kernel"])


@pytest.mark.parametrize(
    ("n_bytes", "name", "says"),
    [
        (len(DATA), "dense/offset", "it lacks 1 tensors, the first is 'dense/offset'"),
        (len(DATA), "step", "not float32"),
        (len(DATA) - 9, "dense_1/kernel", "of shape"),
        (100, "conv2d_4/kernel", r"hold 0 bytes for a tensor of shape \(32, 1, 1, 2\)"),
    ],
)
def test_what_a_checkpoint_does_not_hold_is_said(n_bytes: int, name: str, says: str) -> None:
    with pytest.raises(DataError, match=says):
        _tf_checkpoint.read(INDEX, DATA[:n_bytes], [name])
