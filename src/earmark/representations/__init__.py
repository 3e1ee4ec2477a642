"""Representations: audio (batch, samples) to embeddings (batch, layers, frames, dim). One file a model."""
