"""Side-by-side measurements, one file a question; `python -m bench` writes RESULTS.md."""
