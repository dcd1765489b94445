# ==== made


def some_number(number: int, limits: tuple[float, float]) -> float:
    """Returns numbers all over the range."""
    lowest, highest = limits
    return lowest + (highest - lowest) * (number % 5) / 4
