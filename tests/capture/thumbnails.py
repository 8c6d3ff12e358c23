"""Images of thumbnails for tests: each tile has a colour of its own, which says its number."""

from fractions import Fraction
from math import ceil

from PIL import Image

from tests.capture.origin import LiveTrack

STEP = 8  # of brightness, from one number to the next
EDGE = 16  # pixels of a tile: a block of the encoder, so that no tile touches another


def draw(path, numbers, columns, rows, *, edge=EDGE, **options):
    """An image of tiles; the format is that of its name."""
    made = Image.new("RGB", (columns * edge, rows * edge))
    for place, number in enumerate(numbers):
        row, column = divmod(place, columns)
        shade = (STEP * number,) * 3
        made.paste(shade, (column * edge, row * edge, (column + 1) * edge, (row + 1) * edge))
    made.save(path, **options)


def drawn(path, columns, rows):
    """The numbers of all tiles of an image; 0 for black ones."""
    with Image.open(path) as image:
        grey = image.convert("L")
    width, height = grey.width // columns, grey.height // rows
    places = [(column, row) for row in range(rows) for column in range(columns)]
    middles = [((2 * x + 1) * width // 2, (2 * y + 1) * height // 2) for x, y in places]
    return [round(grey.getpixel(place) / STEP) for place in middles]


def make_thumbnails(folder, seconds, columns=2, rows=2, *, name="i"):
    """One for each second of a stream, numbered from 1; the track for an origin."""
    target = folder / name
    target.mkdir()
    number = columns * rows
    for place in range(ceil(seconds / number)):
        shown = range(place * number + 1, min(seconds, (place + 1) * number) + 1)
        draw(target / f"{place + 1}.jpg", shown, columns, rows, quality=95)
    lengths = (Fraction(number),) * ceil(seconds / number)
    return LiveTrack(
        *(name, "image", "jpeg", 8000, lengths, EDGE, EDGE), suffix="jpg", tiles=(columns, rows)
    )
