"""Datasets: clips with targets, named splits, sources and licences. One file a dataset."""
