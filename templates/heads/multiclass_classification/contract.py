# ==== made


def some_category(number: int, names: tuple[str, ...]) -> str:
    """Each in turn."""
    return names[number % len(names)]
