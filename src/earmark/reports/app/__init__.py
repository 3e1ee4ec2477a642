"""The live app: tables that re-shape, confusions that play, maps of embeddings, two runs beside each other.

`serving` starts it; `frame` draws a page, of which the files named `view_…` are the views. What is asked of a view
stands in the page's address (`address`). Arithmetic and reading are those of `analysis` and `runs`: here is only
what the screen needs.
"""
