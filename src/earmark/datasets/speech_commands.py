"""Speech Commands 0.02: 105,829 recordings of 35 spoken words, a second each or less, by many speakers.

`yes/004ae714_nohash_0.wav`: the folder is the word, the name begins with the speaker, who is the `group`.
`validation_list.txt` and `testing_list.txt` name the clips of two parts; the rest is train. `_background_noise_` holds
six long recordings, which are no words.

`speech-commands:hear` is the task of 12 classes as HEAR makes it: ten words, `_unknown_` for the other 25, and
`_silence_`, seconds cut from the background noise every half second (those of running_tap are the valid part). It is
tested on the publisher's second archive, which holds `_silence_` and `_unknown_` as folders; the clips of
testing_list.txt are in no part. Split "hear-full" has all of it, "hear-5h" the 16,000 and 2,000 clips that HEAR draws
for train and valid. Differs from HEAR, whose copies of the files are cut or filled to one second.
"""

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from earmark import audio
from earmark.datasets._listing import clip_id, read_text, split_of
from earmark.datasets.base import Dataset, listed, need
from earmark.errors import DataError, UnknownName
from earmark.nouns import Clip, DataCard, LabelCard, Source, SplitCard

NAME = "speech-commands"
TRAINING, TESTING = "speech_commands_v0.02", "speech_commands_test_set_v0.02"
LISTS = {"valid": "validation_list.txt", "test": "testing_list.txt"}
LINE = re.compile(r"([^/]+/[^/]+)\.wav")
COMMANDS = frozenset(("down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes"))
NOISE, SILENCE, UNKNOWN, HELD_OUT = "_background_noise_", "_silence_", "_unknown_", "running_tap"
DRAWN = {"train": 16_000, "valid": 2_000}  # of HEAR's five hours, eight ninths and a ninth
FETCH = f"Type: earmark get dataset {NAME}"
LICENCE = "CC-BY-4.0"
BIBTEX = """@article{warden2018speech,
  title = {Speech Commands: A Dataset for Limited-Vocabulary Speech Recognition},
  author = {Warden, Pete},
  journal = {arXiv preprint arXiv:1804.03209},
  year = {2018}
}"""
HOSTS = ("http://download.tensorflow.org/data", "https://storage.googleapis.com/download.tensorflow.org/data")
SOURCES = tuple(
    Source(
        f"{HOSTS[0]}/{folder}.tar.gz",
        LICENCE,
        checksum,
        BIBTEX,
        mirrors=(f"{HOSTS[1]}/{folder}.tar.gz",),
        path=f"archives/{folder}.tar.gz",
        unpack_into=folder,
    )
    for folder, checksum in (
        (TRAINING, "sha256:af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58"),
        (TESTING, "md5:854c580ee90bff80c516491c84544e32"),
    )
)

CARD = DataCard(
    title="Speech Commands: 35 spoken words",
    version="0.02",
    status="open",
    licence=LICENCE,
    redistributable=True,
    bibtex=BIBTEX,
    homepage="https://arxiv.org/abs/1804.03209",
    audio="WAV, 16 kHz, mono, 16 bit, 1 s and less",
    n_clips=105_829,
    labels=(LabelCard("word", "multiclass", 35, 105_829, "which word is said"),),
    splits=(
        SplitCard(
            "official",
            "the publisher's validation_list.txt and testing_list.txt, drawn by speaker; the rest is train",
            ("word",),
            ((84_843, 9_981, 11_005),),
            "EVAR (spcv2)",
        ),
    ),
    sources=SOURCES[:1],
    layout="HEAR's speech_commands.py (folders, lists, second archive, silence, md5), EVAR's make_metadata.py (counts "
    "of clips, words and parts), mlx-data's loader (sha256, the part of a name that is the speaker). The clips of "
    "the second archive: Hugging Face's speech_commands v0.02, as TensorFlow Datasets lists it. Lengths of the "
    "noises: two public accounts of the files.",
)
HEAR = replace(
    CARD,
    title="Speech Commands, HEAR's task: ten words, unknown words and silence",
    n_clips=100_503,
    labels=(LabelCard("command", "multiclass", 12, 100_503, "ten words, _unknown_ or _silence_"),),
    splits=(
        SplitCard(
            "hear-full",
            "HEAR's speech_commands.py, mode full: the clips in neither list, those of validation_list.txt, and the "
            "publisher's second archive; 668 and 121 of train and valid are silence, counted by that rule from the "
            "lengths of the six noises",
            sizes=((85_511, 10_102, 4_890),),
            used_by="HEAR (Speech Commands Full)",
        ),
        SplitCard(
            "hear-5h",
            "the same, mode 5h: 16,000 clips of train and 2,000 of valid, drawn as HEAR's pipeline.py draws them",
            sizes=((16_000, 2_000, 4_890),),
            used_by="HEAR (Speech Commands 5h)",
        ),
    ),
    sources=SOURCES,
)
CARDS = {"": CARD, "hear": HEAR}


def load(variant: str, root: Path) -> Dataset:
    """Return the clips below `root`, which holds `speech_commands_v0.02` and, for hear, the second archive's folder.

    That is `speech_commands_test_set_v0.02`; the first may be `root` itself, or lie in `SpeechCommands/`. The label is
    word, or command for hear; the group is the speaker, for silence the noise it was cut from. Raises MissingPart
    where a part is not there, DataError for a list that is not as published.
    """
    if variant not in CARDS:
        raise UnknownName("dataset", f"{NAME}:{variant}", (NAME, f"{NAME}:hear"))
    places = (root, root / "SpeechCommands" / TRAINING, root / TRAINING)
    folder = next((place for place in places if (place / LISTS["valid"]).is_file()), places[-1])
    name = f"{NAME}:{variant}".removesuffix(":")
    lists = {role: frozenset(_listed(need(folder / file, name, root))) for role, file in LISTS.items()}
    on_disk = {f"{path.parent.name}/{path.stem}" for path in folder.glob("[!_.]*/[!.]*.wav")}
    spoken = sorted(on_disk.union(*lists.values()))
    if variant == "hear":
        return _hear(folder, spoken, lists, root)
    clips = [_spoken(one, folder, one, "word", one.partition("/")[0]) for one in spoken]
    parts = {"train": [one for one in spoken if not any(one in each for each in lists.values())], **lists}
    official = split_of({role: sorted(ids) for role, ids in parts.items()})
    return listed(name, CARD, root, clips, {"official": (official,)})


def drawn_by_hear(role: str, names: Mapping[str, str], n: int) -> tuple[str, ...]:
    """Return the `n` clip ids that HEAR draws for a role, or all there are; `names` maps HEAR's file names to ids.

    Source: hear-preprocess, pipeline.py (SubsampleSplit) and util/luigi.py (str2int), where pandas draws by this
    generator.
    """
    digest = hashlib.sha1(f"SubsampleSplit({role})".encode(), usedforsecurity=False).hexdigest()
    order = np.random.RandomState(int(digest, 16) % (2**32 - 1)).permutation(len(names))
    ordered = sorted(names)
    return tuple(names[ordered[index]] for index in order[:n])


def _hear(folder: Path, spoken: Sequence[str], lists: Mapping[str, Collection[str]], root: Path) -> Dataset:
    """Return HEAR's task of 12 classes."""
    testing, noises = (need(place, f"{NAME}:hear", root) for place in (root / TESTING, folder / NOISE))
    clips: dict[str, dict[str, Clip]] = {"train": {}, "valid": {}, "test": {}}
    for name in spoken:
        if name not in lists["test"]:
            role = "valid" if name in lists["valid"] else "train"
            clips[role][name.replace("/", "_")] = _spoken(name, folder, name, "command", name.partition("/")[0])
    for path in sorted(noises.glob("[!.]*.wav")):
        clips["valid" if path.stem.startswith(HELD_OUT) else "train"].update(_silence(path))
    for path in sorted(testing.glob("[!.]*/[!.]*.wav")):
        name = f"{path.parent.name}/{path.stem}"
        clips["test"][name] = _spoken(f"test/{name}", testing, name, "command", path.parent.name)
    ids = {role: {name: clip.id for name, clip in found.items()} for role, found in clips.items()}
    full = split_of({role: names.values() for role, names in ids.items()})
    drawn = {role: drawn_by_hear(role, ids[role], n) for role, n in DRAWN.items()}
    fewer = split_of({**drawn, "test": full.test})
    every = [clip for found in clips.values() for clip in found.values()]
    return listed(f"{NAME}:hear", HEAR, root, every, {"hear-full": (full,), "hear-5h": (fewer,)})


def _spoken(name: str, folder: Path, place: str, label: str, word: str) -> Clip:
    """Return a clip of a word; the speaker stands before "_nohash_"."""
    said = word if label == "word" or word in COMMANDS or word == SILENCE else UNKNOWN
    speaker, marker, _ = Path(place).name.partition("_nohash_")
    group = speaker if marker and word != SILENCE else None
    return Clip(name, folder / f"{place}.wav", targets={label: said}, group=group)


def _silence(path: Path) -> Iterator[tuple[str, Clip]]:
    """Yield seconds of a background noise, every half second, by the name that HEAR gives to each file."""
    held = audio.info(path)
    for start in range(0, held.frames - held.sample_rate, held.sample_rate // 2):
        start_s = start / held.sample_rate
        name = clip_id(f"{NOISE}/{path.stem}", start_s, start_s + 1)
        clip = Clip(name, path, start_s, start_s + 1, {"command": SILENCE}, path.stem)
        yield f"{SILENCE}_{path.stem}-{start}", clip


def _listed(file: Path) -> Iterator[str]:
    """Yield the clip ids of a list of files, empty lines aside. Raises DataError for what is not `word/name.wav`."""
    lines = enumerate(read_text(file, FETCH).splitlines(), 1)
    for number, line in ((number, line) for number, line in lines if line.strip()):
        if not (found := LINE.fullmatch(line.strip())):
            raise DataError(
                f"{file}:{number}: expected a file such as yes/004ae714_nohash_0.wav, got '{line}'. {FETCH}"
            )
        yield found[1]
