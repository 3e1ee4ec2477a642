"""Fine-tuning: a network, or a part of it, goes on learning with one linear layer, the head, for one task."""
