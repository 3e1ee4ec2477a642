"""A number is printed with its noun in the right number."""

import pytest

from earmark.counted import counted, sized


@pytest.mark.parametrize(
    ("n", "noun", "said"),
    [
        (0, "clip", "0 clips"),
        (1, "system", "1 system"),
        (2_000, "test clip", "2,000 test clips"),
        (1, "class", "1 class"),
        (3, "class", "3 classes"),
        (4, "entry", "4 entries"),
    ],
)
def test_one_is_singular_and_all_else_plural(n: int, noun: str, said: str) -> None:
    assert counted(n, noun) == said


@pytest.mark.parametrize(
    ("n_bytes", "said"), [(1_230_000_000, "1.23 GB"), (10_000_000, "0.01 GB"), (536_328, "0.5 MB")]
)
def test_what_is_small_is_told_in_megabytes_and_never_as_nothing(n_bytes: int, said: str) -> None:
    assert sized(n_bytes) == said
