# ==== drawing_tools


def add_line(image: np.ndarray, text: str, color: tuple) -> np.ndarray:
    """Writes text on a band below the image; enlarges small images to hold it."""
    factor = max(1, math.ceil(200 / max(image.shape)))
    size = (image.shape[1] * factor, image.shape[0] * factor)
    image = cv2.resize(image, size, interpolation=cv2.INTER_NEAREST)
    band = max(20, max(size) // 30)
    white = {"borderType": cv2.BORDER_CONSTANT, "value": (255, 255, 255)}
    image = cv2.copyMakeBorder(image, 0, band, 0, 0, **white)
    write(image, text, (0, image.shape[0]), color)
    return image


def write(image: np.ndarray, text: str, corner: tuple[int, int], color: tuple):
    """Writes text on a band of `color` above `corner`, inside the image."""
    font, size = cv2.FONT_HERSHEY_SIMPLEX, max(0.4, max(image.shape) / 1200)
    (width, height), descent = cv2.getTextSize(text, font, size, 1)
    x = max(0, min(corner[0], image.shape[1] - width))
    y = max(height + descent, min(corner[1], image.shape[0]))
    cv2.rectangle(image, (x, y - height - descent), (x + width, y), color, cv2.FILLED)
    cv2.putText(image, text, (x, y - descent), font, size, (0, 0, 0), 1, cv2.LINE_AA)


def color_of(index: int) -> tuple[int, int, int]:
    """Returns a color; hues of consecutive indices differ by the golden ratio."""
    red, green, blue = colorsys.hsv_to_rgb(index * 0.618 % 1, 0.65, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)
