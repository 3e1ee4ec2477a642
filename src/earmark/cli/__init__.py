"""The command line: parsing and printing only. Rooms are imported inside the command that needs them."""

from earmark.cli.app import app
from earmark.cli.main import main

__all__ = ["app", "main"]
