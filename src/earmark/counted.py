"""A number with what it counts, in the words of everything that is printed."""


def counted(n: int, noun: str) -> str:
    """Return "1 clip", "2,000 clips"; also "1 class", "2 classes" and "1 entry", "2 entries"."""
    if n == 1:
        return f"1 {noun}"
    return f"{n:,} {noun[:-1] + 'ies' if noun.endswith('y') else noun + ('es' if noun.endswith('s') else 's')}"


def sized(n_bytes: int) -> str:
    """Return "1.23 GB"; below 10 MB "0.5 MB"."""
    return f"{n_bytes / 1e9:.2f} GB" if n_bytes >= 1e7 else f"{n_bytes / 1e6:.1f} MB"
