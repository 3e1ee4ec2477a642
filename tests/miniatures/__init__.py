"""Small sets in the layout that their publishers chose, made by the tests."""

LENGTH_S = 0.6
"""Of the clips of the thesis' sets: enough for every network that it names. MusiCNN hears half a second at least."""
