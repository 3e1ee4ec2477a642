"""What an experiment should cite, read by a parser of BibTeX that is not ours."""

from pathlib import Path

import pytest
from bibtexparser.entrypoint import parse_string

from earmark import citations
from earmark.datasets import names
from earmark.nouns import Card
from earmark.representations import base

EXPERIMENTS = Path(__file__).parent.parent / "experiments"


def keys(text: str) -> list[str]:
    found = parse_string(text)
    assert not found.failed_blocks, found.failed_blocks[0].error
    return [entry.key for entry in found.entries]


def test_an_entry_stands_once_however_often_its_dataset_is_used() -> None:
    found = keys(citations.bibliography(EXPERIMENTS / "demo.yml"))
    assert len(found) == len(set(found))
    assert {"earmark", "stevens1937mel", "plachouras2023benchmarks", "raffel2014mir_eval", "audiomentations"} <= {
        *found
    }


def test_what_gives_nothing_to_cite_is_named_in_a_comment() -> None:
    text = citations.bibliography(EXPERIMENTS / "thesis.yml")
    assert "% representation neuralfp, which is not in this version of earmark, gives nothing to cite" in text


def test_the_experiments_of_the_thesis_cite_their_four_datasets_without_any_file_of_them() -> None:
    text = citations.bibliography(EXPERIMENTS / "thesis.yml")
    for name in ("magnatagatune", "beatport-key", "tinysol", "vocalset"):
        assert set(keys(names.card(name).bibtex)) <= set(keys(text))


@pytest.mark.parametrize("name", [name for name, card in names.every().items() if card.bibtex])
def test_the_entry_of_a_dataset_is_bibtex_with_author_or_title(name: str) -> None:
    (entry, *_) = parse_string(names.card(name).bibtex).entries
    assert "title" in entry.fields_dict


@pytest.mark.parametrize("card", base.every().values(), ids=lambda card: card.name)
def test_the_entry_of_a_representation_is_bibtex(card: Card) -> None:
    assert keys(card.bibtex)


def test_a_joined_representation_cites_each_of_its_parts_even_where_their_frames_do_not_fit(tmp_path: Path) -> None:
    (tmp_path / "joined.yml").write_text(
        "experiments: [{task: studio_family, representations: [chroma+mfcc], probes: [{preset: mir_ref-fixed}]}]"
    )
    text = citations.bibliography(tmp_path / "joined.yml")
    assert "% representation chroma (licence" in text
    assert "% representation mfcc (licence" in text
