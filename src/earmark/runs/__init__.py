"""What finished runs say: their predictions, tables, comparisons, and what changed from one to another."""
