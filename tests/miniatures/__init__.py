"""Small sets in the layout that their publishers chose, made by the tests."""
