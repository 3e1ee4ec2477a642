"""The loader of MTG-Jamendo: five published folds, tags without prefixes, and one encoding of the audio at a time."""

import shutil
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest
import soundfile

from earmark import conformance, identity
from earmark.datasets import mtg_jamendo, names, splits
from earmark.datasets._mtg_jamendo_rows import HEAD
from earmark.datasets.base import Dataset
from earmark.errors import DataError, MissingPart, UnknownName
from earmark.sources import archives
from earmark.tasks import TASKS
from tests.miniatures import mtg_jamendo as miniature

# As published: stats/raw_30s_cleantags_50artists/{genre,instrument}.tsv and data/tags/moodtheme.txt.
PUBLISHED = {
    "genre": """
        60s 70s 80s 90s acidjazz african alternative alternativerock ambient atmospheric blues bluesrock
        bossanova breakbeat celtic chanson chillout choir classical classicrock club contemporary country
        dance darkambient darkwave deephouse disco downtempo drumnbass dub dubstep easylistening edm
        electronic electronica electropop ethnicrock ethno eurodance experimental folk funk fusion gothic
        groove grunge hard hardrock heavymetal hiphop house idm improvisation indie industrial instrumentalpop
        instrumentalrock jazz jazzfunk jazzfusion latin lounge medieval metal minimal newage newwave
        orchestral oriental pop popfolk poprock postrock progressive psychedelic punkrock rap reggae rnb rock
        rocknroll singersongwriter ska soul soundtrack swing symphonic synthpop techno trance tribal triphop
        world worldfusion
    """,
    "instrument": """
        accordion acousticbassguitar acousticguitar bass beat bell bongo brass cello clarinet classicalguitar
        computer doublebass drummachine drums electricguitar electricpiano flute guitar harmonica harp horn
        keyboard oboe orchestra organ pad percussion piano pipeorgan rhodes sampler saxophone strings
        synthesizer trombone trumpet ukulele viola violin voice
    """,
    "moodtheme": """
        action adventure advertising ambiental background ballad calm children christmas commercial cool
        corporate dark deep documentary drama dramatic dream emotional energetic epic fast film fun funny game
        groovy happy heavy holiday hopeful horror inspiring love meditative melancholic mellow melodic
        motivational movie nature party positive powerful relaxing retro romantic sad sexy slow soft
        soundscape space sport summer trailer travel upbeat uplifting
    """,
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("mtg_jamendo")
    miniature.make(root)
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "copy"))


@pytest.fixture(scope="module")
def low(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("mtg_jamendo_low")
    miniature.make(root, "audio-low")
    return root


def _tags(dataset: Dataset, ids: Iterable[str]) -> set[object]:
    found: set[object] = set()
    for one in ids:
        tags = dataset.by_id[one].targets["tags"]
        assert isinstance(tags, tuple)
        found.update(tags)
    return found


@pytest.mark.parametrize("variant", mtg_jamendo.CARDS)
def test_every_variant_keeps_the_laws_of_a_dataset_and_its_task_finds_every_tag_in_every_part(
    made: Path, variant: str
) -> None:
    found = mtg_jamendo.load(variant, made)
    assert conformance.broken_by_dataset(found) == ()
    task = TASKS[f"mtg_jamendo_{variant or 'top50'}"]
    assert task.dataset == found.name
    folds = splits.resolve(found, task.split, task.label, "all")
    assert [fold.fold for fold in folds] == [0, 1, 2, 3, 4]
    classes = _tags(found, found.by_id)
    for fold in folds:
        for ids in (fold.split.train, fold.split.valid, fold.split.test):
            assert _tags(found, ids) == classes


def test_a_row_gives_id_path_artist_and_tags_without_prefixes(made: Path) -> None:
    clip = mtg_jamendo.load("all", made).by_id["track_0002000"]
    assert clip.path == made / "audio" / "00" / "2000.mp3"
    assert clip.group == "artist_000000"
    assert clip.targets == {
        "tags": ("electronic", "piano", "dark"),
        "genre": ("electronic",),
        "instrument": ("piano",),
        "moodtheme": ("dark",),
    }
    assert soundfile.info(clip.path).channels == 2


def test_several_tags_of_a_category_are_kept_and_a_category_without_tags_is_no_label(made: Path) -> None:
    found = mtg_jamendo.load("all", made)
    assert found.by_id["track_0002100"].targets == {
        "tags": ("electronic", "rock", "happy"),
        "genre": ("electronic", "rock"),
        "moodtheme": ("happy",),
    }
    assert mtg_jamendo.load("genre", made).by_id["track_0002100"].targets == {"tags": ("electronic", "rock")}


def test_a_variant_has_its_own_tracks_and_tags(made: Path) -> None:
    n_clips = {variant: len(mtg_jamendo.load(variant, made).clips) for variant in mtg_jamendo.SUBSETS}
    assert n_clips == {"top50": 50, "all": 60, "genre": 60, "instrument": 50, "moodtheme": 40}
    top50 = mtg_jamendo.load("top50", made)
    assert _tags(top50, top50.by_id) == {"electronic", "rock", "ambient", "piano", "drums", "happy", "relaxing"}
    every = mtg_jamendo.load("all", made)
    for label in ("genre", "instrument", "moodtheme"):
        own = mtg_jamendo.load(label, made)
        assert {clip.id for clip in every.clips if label in clip.targets} == own.by_id.keys()


def test_the_folds_are_those_published_and_a_track_of_no_split_is_not_listed(made: Path) -> None:
    found = mtg_jamendo.load("top50", made)
    folds = found.splits["official"]
    assert [(len(fold.train), len(fold.valid), len(fold.test)) for fold in folds] == [(30, 10, 10)] * 5
    assert {found.by_id[one].group for one in folds[0].test} == {"artist_000000", "artist_000001"}
    assert {found.by_id[one].group for one in folds[0].valid} == {"artist_000002", "artist_000003"}
    assert {found.by_id[one].group for one in folds[4].test} == {"artist_000008", "artist_000009"}
    assert "track_0009900" in (made / "data" / "autotagging.tsv").read_text()
    assert "track_0009900" not in mtg_jamendo.load("all", made).by_id


def test_no_published_tag_loses_its_meaning_with_its_prefix() -> None:
    assert {label: len(tags.split()) for label, tags in PUBLISHED.items()} == {
        "genre": 95,
        "instrument": 41,
        "moodtheme": 59,
    }
    counted = Counter(tag for tags in PUBLISHED.values() for tag in tags.split())
    assert max(counted.values()) == 1


def test_the_plain_name_is_the_50_tags_and_another_variant_is_refused_with_those_there_are(made: Path) -> None:
    plain, top50 = mtg_jamendo.load("", made), mtg_jamendo.load("top50", made)
    assert (plain.name, plain.version) == (top50.name, top50.version) == ("mtg-jamendo:top50", top50.version)
    with pytest.raises(UnknownName, match=r"'mtg-jamendo:moodthem'.*Did you mean 'mtg-jamendo:moodtheme'"):
        mtg_jamendo.load("moodthem", made)
    with pytest.raises(UnknownName, match="mtg-jamendo:genre"):
        names.card("mtg-jamendo:genres")


def test_data_in_a_clone_and_audio_beside_its_archives_are_found(root: Path) -> None:
    before = mtg_jamendo.load("all", root)
    (root / "mtg-jamendo-dataset").mkdir()
    (root / "data").rename(root / "mtg-jamendo-dataset" / "data")
    (root / "raw_30s").mkdir()
    (root / "audio").rename(root / "raw_30s" / "audio")
    after = mtg_jamendo.load("all", root)
    assert after.version == before.version
    assert conformance.broken_by_dataset(after) == ()


def test_missing_tables_audio_and_lists_are_named_with_the_line_to_type(root: Path, tmp_path: Path) -> None:
    line = "Type: earmark get dataset mtg-jamendo:genre"
    with pytest.raises(MissingPart, match=rf"'data/splits/split-0/autotagging_genre-train\.tsv' there\. {line}"):
        mtg_jamendo.load("genre", tmp_path)
    (root / "data/splits/split-3/autotagging_genre-validation.tsv").unlink()
    with pytest.raises(MissingPart, match=r"split-3/autotagging_genre-validation\.tsv"):
        mtg_jamendo.track_sources("genre", root)
    (root / "audio").rename(tmp_path / "elsewhere")
    with pytest.raises(MissingPart, match="expected 'audio' there"):
        mtg_jamendo.load("all", root)
    (root / "data/download/raw_30s_audio_sha256_tars.txt").unlink()
    with pytest.raises(MissingPart, match=r"raw_30s_audio_sha256_tars\.txt"):
        mtg_jamendo.sources_after_labels("all", root)


def test_a_track_whose_file_is_not_there_stays_listed(root: Path) -> None:
    (root / "audio/00/2000.mp3").unlink()
    assert "track_0002000" in mtg_jamendo.load("all", root).by_id


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("track_0002000\tartist_000000\talbum_000000\t00/2000.mp3\t61.5", "expected a row such as"),
        ("track_0002000\tartist_000000\talbum_000000\t00/2000.mp3\t61.5\trock", "expected a row such as"),
        ("track_0002000\tartist_000000\talbum_000000\t../2000.mp3\t61.5\tgenre---rock", "expected a row such as"),
        ("track_0002000\tartist_000000\talbum_000000\t00/2000.mp3\t61.5\tgenre---rock", "of two versions"),
    ],
)
def test_a_row_that_is_not_as_published_is_refused(root: Path, line: str, message: str) -> None:
    table = root / "data/splits/split-1/autotagging-train.tsv"
    table.write_text("\t".join(HEAD) + f"\n{line}\n")
    with pytest.raises(DataError, match=message):
        mtg_jamendo.load("all", root)


def test_a_table_with_another_head_is_refused(root: Path) -> None:
    table = root / "data/splits/split-0/autotagging-test.tsv"
    table.write_text(table.read_text().replace("TAGS", "TAG", 1))
    with pytest.raises(
        DataError, match=r"autotagging-test\.tsv:1: expected tabs between TRACK_ID.*got TRACK_ID.*TAG\."
    ):
        mtg_jamendo.load("all", root)


def test_the_smaller_copy_is_read_alone_and_says_so(low: Path, made: Path) -> None:
    found, full = mtg_jamendo.load("top50", low), mtg_jamendo.load("top50", made)
    assert conformance.broken_by_dataset(found) == ()
    clip = found.by_id["track_0002000"]
    assert clip.path == low / "audio-low" / "00" / "2000.low.mp3"
    assert soundfile.info(clip.path).channels == 1
    assert found.version == full.version.replace("+", "-low+")
    assert (found.card.bit_rate_kbps, full.card.bit_rate_kbps) == (98, 320)
    assert "numbers are on other audio" in found.notes[0]
    assert full.notes == ()


def test_two_encodings_are_never_mixed(root: Path, low: Path) -> None:
    shutil.copytree(low / "audio-low", root / "audio-low")
    both = mtg_jamendo.load("all", root)
    assert {clip.path.parent.parent for clip in both.clips} == {root / "audio"}
    assert both.notes == ("audio-low is set aside: the audio is read from audio alone",)
    shutil.copy(low / "audio-low/00/2000.low.mp3", root / "audio/00/2000.low.mp3")
    with pytest.raises(DataError, match=r"Expected one encoding in .*audio', got files named \.mp3 and \.low\.mp3"):
        mtg_jamendo.load("all", root)


def test_a_track_is_fetched_alone_with_the_checksum_of_the_published_list(made: Path, low: Path) -> None:
    alone = mtg_jamendo.track_sources("all", made)
    assert tuple(one.clip for one in alone) == mtg_jamendo.load("all", made).clips
    sources = {one.clip.id: one.source for one in alone}
    one = sources["track_0002000"]
    assert one.url == "https://cdn.freesound.org/mtg-jamendo/raw_30s/audio/00/2000.mp3"
    assert (one.path, one.holds, one.unpack_into) == ("audio/00/2000.mp3", "audio", None)
    for source in sources.values():
        assert source.checksum == f"sha256:{identity.file_sha256(made / source.path)}"
    (smaller,) = (one.source for one in mtg_jamendo.track_sources("moodtheme", low) if one.clip.id == "track_0002000")
    assert smaller.url == "https://cdn.freesound.org/mtg-jamendo/raw_30s/audio-low/00/2000.low.mp3"
    assert smaller.checksum == f"sha256:{identity.file_sha256(low / smaller.path)}"


def test_an_empty_folder_asks_for_the_smaller_copy(low: Path, tmp_path: Path) -> None:
    shutil.copytree(low / "data", tmp_path / "data")
    (tmp_path / "audio-low").mkdir()
    tracks = {one.clip.id: one for one in mtg_jamendo.track_sources("top50", tmp_path)}
    assert tracks["track_0002000"].source.path == "audio-low/00/2000.low.mp3"
    assert tracks["track_0002000"].clip.path == tmp_path / "audio-low/00/2000.low.mp3"
    first = mtg_jamendo.sources_after_labels("top50", tmp_path)[0]
    assert (first.path, first.unpack_into) == ("archives/raw_30s_audio-low-00.tar", "audio-low")


def test_the_archives_are_named_with_checksums_and_two_hosts_and_unpack_to_what_is_read(root: Path) -> None:
    sources = mtg_jamendo.sources_after_labels("all", root)
    packed = miniature.archive(root)
    assert [root / source.path for source in sources] == packed
    assert [source.checksum for source in sources] == [f"sha256:{identity.file_sha256(path)}" for path in packed]
    assert sources[0].url == "https://cdn.freesound.org/mtg-jamendo/raw_30s/audio/raw_30s_audio-00.tar"
    assert sources[0].mirrors == (
        "https://essentia.upf.edu/documentation/datasets/mtg-jamendo/raw_30s/audio/raw_30s_audio-00.tar",
    )
    shutil.rmtree(root / "audio")
    for source, path in zip(sources, packed, strict=True):
        archives.unpack([path], root / str(source.unpack_into))
    assert conformance.broken_by_dataset(mtg_jamendo.load("all", root)) == ()
    moods = mtg_jamendo.sources_after_labels("moodtheme", root)
    assert moods[1].url.endswith("/autotagging_moodtheme/audio/autotagging_moodtheme_audio-01.tar")


def test_a_list_without_a_track_or_with_a_broken_line_is_refused(root: Path) -> None:
    path = root / "data/download/raw_30s_audio_sha256_tracks.txt"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[1:]) + "\n")
    with pytest.raises(DataError, match=r"Expected '00/2000\.mp3' in raw_30s_audio_sha256_tracks\.txt, which has 59"):
        mtg_jamendo.track_sources("all", root)
    path.write_text("<html>\n")
    with pytest.raises(DataError, match="tracks\\.txt:1: expected a sha256 and a file's name, got '<html>'"):
        mtg_jamendo.track_sources("all", root)


@pytest.mark.parametrize("variant", mtg_jamendo.CARDS)
def test_the_card_lists_what_load_reads_and_nothing_else_as_labels(made: Path, variant: str) -> None:
    card = mtg_jamendo.CARDS[variant]
    labels = [source for source in card.sources if source.holds == "labels"]
    assert labels == list(card.sources)
    paths = {source.path for source in labels}
    tables = {path for path in paths if path.startswith("data/splits/")}
    assert len(tables) == 15
    assert all((made / path).is_file() for path in tables)
    after = mtg_jamendo.sources_after_labels(variant, made)
    collection = after[0].path.removeprefix("archives/").rpartition("_audio")[0]
    assert f"data/download/{collection}_audio_sha256_tars.txt" in paths
    assert "data/download/raw_30s_audio_sha256_tracks.txt" in paths
    assert {label.name for label in card.labels} == set(mtg_jamendo.load(variant, made).labels)


@pytest.mark.parametrize(
    "file", ["data/splits/split-0/autotagging-train.tsv", "data/download/raw_30s_audio_sha256_tracks.txt"]
)
def test_text_in_another_encoding_is_named_with_its_place(root: Path, file: str) -> None:
    path = root / file
    content = path.read_bytes()
    path.write_bytes(content.replace(b"\n", b"\r\n"))
    assert len(mtg_jamendo.track_sources("all", root)) == 60, "line ends of another system are read"
    path.write_bytes(content + b"\xe9")
    with pytest.raises(DataError, match=rf"{path.name}: expected UTF-8 text \(.* at byte {len(content)}\)\. Fetch"):
        mtg_jamendo.track_sources("all", root)
