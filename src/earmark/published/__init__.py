"""Scores that papers printed, with the line of their text, and which of them may stand beside ours."""

from earmark.published.beside import Compared, Refusal, beside
from earmark.published.documents import Column, PublishedTable, tables
from earmark.published.match import match

__all__ = ["Column", "Compared", "PublishedTable", "Refusal", "beside", "match", "tables"]
