"""A run in one file, to be cited and computed again."""
