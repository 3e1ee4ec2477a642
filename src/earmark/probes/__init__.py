"""Probes: small models fitted on embeddings only."""
