# ==== made


def some_quadrilaterals(
    number: int, names: tuple[str, ...], height: int, width: int
) -> list[dict]:
    """Every other category, where most of the image lies inside."""
    right, bottom = width - 1, height - 1
    corners = [[1, 2], [right, 1], [right - 2, bottom], [1, bottom]]
    return [
        {"category": name, "quadrilateral": corners} for name in names[number % 2 :: 2]
    ]
