"""earmark: learn, embed, probe, compare and understand music audio representations."""

__version__ = "0.1.0"
