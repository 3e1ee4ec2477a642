"""The laws that every plug-in must keep. The tests hold ours to them; `earmark check` holds anybody's.

Each `broken_by_…` returns the laws that were broken, in words, and nothing when all hold. `laws_of_representation`
returns every law with its verdict and why it matters; `records` keeps these in the store.
"""

from earmark.conformance.datasets import broken_by_dataset
from earmark.conformance.deformations import broken_by_chain
from earmark.conformance.representations import broken_by_representation, is_batchable, laws_of_representation
from earmark.conformance.verdicts import Verdict, summary

__all__ = [
    "Verdict",
    "broken_by_chain",
    "broken_by_dataset",
    "broken_by_representation",
    "is_batchable",
    "laws_of_representation",
    "summary",
]
