"""The keys of embeddings: everything that can change their numbers, and nothing else."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from earmark import audio, deformations
from earmark.deformations import Chain
from earmark.errors import AudioError
from earmark.experiment.spec import RepresentationChoice
from earmark.experiment.subjects import Placed
from earmark.identity import file_sha256, key_of
from earmark.nouns import Card, Clip
from earmark.representations import base, features
from earmark.representations.embed import STATISTICS, Grain

Identity = list[dict[str, object]]
Region = tuple[int, int | None] | None


@dataclass(frozen=True)
class Facts:
    """What of a representation enters a key: its card, and the hash of a user's own file."""

    card: Card
    code_sha256: str = ""
    by_clip: bool = False

    @classmethod
    def of(cls, name: str) -> "Facts":
        """Load a representation and return its facts. Raises what `base.load` raises."""
        loaded = base.load(name)
        return cls(loaded.card, base.code_sha256(loaded), isinstance(loaded, features.OfClip))


@dataclass(frozen=True)
class Want:
    """One embedding of one clip: pooled over all of it, over each segment, or every frame (`grain`)."""

    key: str
    chain: Chain
    seed: int | None
    choice: RepresentationChoice
    grain: Grain = "clip"


@dataclass
class Keys:
    """Remembers the keys of embeddings while a plan is made: clips are shared by tasks and probes."""

    facts: Mapping[str, Facts]
    hash_of: Callable[[Placed], str]
    regions: dict[tuple[str, str], Region] = field(default_factory=dict)
    known: dict[tuple[str, str, Chain, RepresentationChoice, Grain], Want] = field(default_factory=dict)
    files: dict[Chain, Mapping[str, str]] = field(default_factory=dict)

    def wants(
        self, placed: Placed, chain: Chain, choice: RepresentationChoice, grain: Grain = "clip"
    ) -> tuple[Want, ...]:
        """Return the embeddings of a clip that a choice is made of: one, or of a joined name one a part."""
        parts = choice.parts
        if len(parts) > 1:  # one with a single layer gives that beside whichever of the others
            parts = tuple(replace(p, layers=None) if self.facts[p.name].card.layers == 1 else p for p in parts)
        return tuple(self._want(placed, chain, part, grain) for part in parts)

    def _want(self, placed: Placed, chain: Chain, choice: RepresentationChoice, grain: Grain) -> Want:
        name = (placed.dataset, placed.clip.id, chain, choice, grain)
        if name not in self.known:
            files, clip = self._files(chain), placed.clip
            seed = deformations.clip_seed(chain, placed.dataset, clip.id, files) if chain.steps else None
            facts = self.facts[choice.name]
            if facts.by_clip:  # what is known by ids differs between clips of one and the same audio
                facts = replace(facts, code_sha256=key_of(code_sha256=facts.code_sha256, clip=clip.id))
            content = self.hash_of(placed), self._region(placed), deformations.identity_of(chain, files)
            key = embedding_key(*content, seed, choice, facts, grain)
            self.known[name] = Want(key, chain, seed, choice, grain)
        return self.known[name]

    def _region(self, placed: Placed) -> Region:
        key = (placed.dataset, placed.clip.id)
        if key not in self.regions:
            self.regions[key] = region_of(placed.clip)
        return self.regions[key]

    def _files(self, chain: Chain) -> Mapping[str, str]:
        """Return the sha256 of each file that a chain reads, by its path."""
        if chain not in self.files:
            self.files[chain] = {path: file_sha256(Path(path)) for path in deformations.files_of(chain)}
        return self.files[chain]


def embedding_key(
    audio_sha256: str,
    region: Region,
    chain: Identity,
    seed: int | None,
    choice: RepresentationChoice,
    facts: Facts,
    grain: Grain = "clip",
) -> str:
    """Return the key of an embedding: everything that can change its numbers, and nothing else."""
    return key_of(
        audio_sha256=audio_sha256,
        region=region,
        chain=chain,
        chain_seed=seed,
        libraries=libraries(bool(chain)),
        representation=facts.card.name,
        card_version=facts.card.version,
        weights_sha256=facts.card.weights_sha256,
        code_sha256=facts.code_sha256,
        layers=choice.layers,
        segment_s=choice.segment_s,
        segment_hop_s=choice.segment_hop_s,
        statistics=STATISTICS if grain == "clip" else (grain, *STATISTICS),
        precision=choice.precision,
        runtime="torch",
    )


def libraries(deformed: bool) -> dict[str, str]:
    """Return the versions of the libraries that make samples."""
    return {**audio.library_versions(), **(deformations.library_versions() if deformed else {})}


def region_of(clip: Clip) -> Region:
    """Return the first and the last-but-one sample of a clip that is a region of its file, at the file's own rate."""
    if clip.start_s is None and clip.end_s is None:
        return None
    rate = _rate(clip.path)
    return round((clip.start_s or 0.0) * rate), None if clip.end_s is None else round(clip.end_s * rate)


def _rate(path: Path) -> int:
    """Return a file's sample rate; of one that cannot be read, and so is never embedded, any will do."""
    try:
        return audio.info(path).sample_rate
    except AudioError:
        return 0
