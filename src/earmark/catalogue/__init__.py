"""Audio files of your own: embedded, and predicted by saved probes, outside any experiment."""
