"""Files that people write: YAML whose values know their places, shapes that it must have, and answers to mistakes."""
