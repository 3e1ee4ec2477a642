"""Audio files of your own: embedded, kept, searched, and predicted by saved probes, outside any experiment.

    from earmark import catalogue

    catalogue.add("music.cat", ["music/"], "logmel")
    catalogue.search("music.cat", "query.wav", k=10).hits

A catalogue is a folder: how its embeddings are made (`form`), and parts that are only appended to (`parts`), with rows
of embeddings, and lines about files (`listing`). `load` opens one to be read (`reader`).
"""

from earmark.catalogue.adding import Added, add
from earmark.catalogue.exporting import Exported, export
from earmark.catalogue.planning import Estimate, plan
from earmark.catalogue.reader import Catalogue, load
from earmark.catalogue.searching import Found, Hit, search
from earmark.catalogue.tagging import Tagging, tag
from earmark.catalogue.upkeep import Compaction, compact, verify

__all__ = ["Added", "Catalogue", "Compaction", "Estimate", "Exported", "Found", "Hit", "Tagging"]
__all__ += ["add", "compact", "export", "load", "plan", "search", "tag", "verify"]
