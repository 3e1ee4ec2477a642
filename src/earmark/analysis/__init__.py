"""Pure functions of arrays and rows: statistics, tables."""
