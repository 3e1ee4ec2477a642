"""Result files of other toolkits as rows of ours: a file each format, named after it."""

from earmark.importers._reading import Imported, formats, into, read

__all__ = ["Imported", "formats", "into", "read"]
