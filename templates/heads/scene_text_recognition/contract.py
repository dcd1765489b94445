# ==== made


def some_text(number: int, names: tuple[str, ...], most: int) -> list[str]:
    """Every other one is empty, which a model that has learned nothing yet may say."""
    length = number % 2 * (number % (most + 1))
    return [names[(number + i) % len(names)] for i in range(length)]
