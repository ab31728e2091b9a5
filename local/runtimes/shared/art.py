"""Draws one of five kinds of scene, chosen by the prompt and colored by the seed."""

from __future__ import annotations

import colorsys
import math
import random

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

Color = tuple[int, int, int]
Size = tuple[int, int]

# Words of the prompt that select a scene; for other prompts the hash selects it.
WORDS = {
    "hills": (
        "mountain",
        "hill",
        "landscape",
        "valley",
        "forest",
        "sunset",
        "sunrise",
        "castle",
        "alps",
        "desert",
    ),
    "nebula": ("space", "galaxy", "nebula", "star", "planet", "astronaut", "cosm", "night", "dream"),
    "waves": ("sea", "ocean", "wave", "beach", "water", "river", "lake", "fish", "boat", "underwater"),
    "tiles": ("city", "house", "robot", "abstract", "geometric", "pattern", "logo", "street", "architecture"),
}


def compose(prompt: str, seed: int, digest: bytes, size: Size) -> Image.Image:
    """The scene for a prompt, its hash and a seed; `size` is in pixels."""
    rng = random.Random(f"{digest.hex()}{seed}")  # noqa: S311 - repeatable on purpose
    lower = prompt.lower()
    names = [name for name, words in WORDS.items() if any(word in lower for word in words)]
    name = names[0] if names else sorted(SCENES)[digest[0] % len(SCENES)]
    return SCENES[name](rng, _palette(rng), size)


def noise(seed: int, size: Size) -> Image.Image:
    """Noise for a picture that was interrupted."""
    small = (max(size[0] // 2, 1), max(size[1] // 2, 1))
    rng = random.Random(seed)  # noqa: S311
    return Image.frombytes("RGB", small, rng.randbytes(small[0] * small[1] * 3)).resize(size)


def caption(image: Image.Image, prompt: str, note: str) -> None:
    """Write the prompt and a note on a dark band at the bottom, if the picture is large enough."""
    width, height = image.size
    if min(width, height) < 128:
        return
    points = max(11, width // 32)
    font = ImageFont.load_default(points)
    lines = _wrap(_drawable(prompt), font, width - 2 * points)[:2]
    top = height - int(points * 1.3 * (len(lines) + 0.8)) - points
    band = image.crop((0, top, width, height)).point(lambda v: int(v * 0.42))
    image.paste(band, (0, top))
    pen = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        pen.text((points, top + points * 0.6 + number * points * 1.3), line, font=font, fill=(250, 250, 245))
    small = ImageFont.load_default(max(9, int(points * 0.7)))
    pen.text((points, height - points * 1.35), note, font=small, fill=(200, 205, 215))


def _drawable(text: str) -> str:
    """The text without characters that Pillow's built-in font does not have."""
    return "".join(char for char in text if ord(char) < 0x250 or 0x2010 <= ord(char) <= 0x2026)


def _wrap(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, room: int) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > room:
            lines.append(word)
        else:
            lines[-1] = longer
    return [line for line in lines if line]


def _palette(rng: random.Random) -> list[Color]:
    """Five matching colors from dark to light."""
    hue, turn = rng.random(), rng.choice((0.08, -0.1, 0.33, 0.45))
    colors = []
    for n, (saturation, value) in enumerate(
        ((0.75, 0.2), (0.7, 0.45), (0.62, 0.72), (0.5, 0.92), (0.22, 1.0))
    ):
        red, green, blue = colorsys.hsv_to_rgb((hue + turn * n / 4) % 1, saturation, value)
        colors.append((int(red * 255), int(green * 255), int(blue * 255)))
    return colors


def _mapped(gray: Image.Image, colors: list[Color]) -> Image.Image:
    """Maps gray values to a gradient of the colors."""
    tables: list[list[int]] = [[], [], []]
    parts = len(colors) - 1
    for value in range(256):
        place = value / 255 * parts
        n = min(int(place), parts - 1)
        for channel in range(3):
            low, high = colors[n][channel], colors[n + 1][channel]
            tables[channel].append(int(low + (high - low) * (place - n)))
    return Image.merge("RGB", [gray.point(table) for table in tables])


def _clouds(rng: random.Random, size: Size, cells: int = 4, octaves: int = 4) -> Image.Image:
    """Smooth noise: several octaves blended."""
    total = Image.new("L", size, 128)
    for octave in range(octaves):
        across = cells * 2**octave
        down = max(2, round(across * size[1] / size[0]))
        layer = Image.frombytes("L", (across, down), rng.randbytes(across * down))
        total = Image.blend(
            total, layer.resize(size, Image.Resampling.BICUBIC), 0.75 if octave == 0 else 0.5**octave
        )
    return total


def _sky(colors: list[Color], size: Size) -> Image.Image:
    return _mapped(Image.linear_gradient("L").resize(size), colors)


def _sun(image: Image.Image, center: tuple[float, float], radius: float, color: Color) -> None:
    glow = Image.new("RGB", image.size)
    pen = ImageDraw.Draw(glow)
    x, y = center
    for part in range(12, 0, -1):
        r = radius * (1 + part * 0.28)
        shade = tuple(int(c * (13 - part) / 42) for c in color)
        pen.ellipse((x - r, y - r, x + r, y + r), fill=shade)
    image.paste(ImageChops.screen(image, glow.filter(ImageFilter.GaussianBlur(radius / 4))))
    ImageDraw.Draw(image).ellipse((x - radius, y - radius, x + radius, y + radius), fill=color)


def _ridge(
    rng: random.Random, size: Size, base: float, height: float, rough: float
) -> list[tuple[float, float]]:
    """The outline of a range of hills, or of a wave, as a sum of sines."""
    parts = [(rng.uniform(0.6, 1.4) * 2**n, rng.uniform(0, math.tau), rough**n) for n in range(6)]
    width = size[0]
    outline = []
    for x in range(0, width + 8, 4):
        lift = sum(a * math.sin(f * x / width * math.tau + p) for f, p, a in parts)
        outline.append((float(x), base - lift * height))
    return [(0.0, float(size[1])), *outline, (float(width), float(size[1]))]


def _hills(rng: random.Random, colors: list[Color], size: Size) -> Image.Image:
    width, height = size
    image = _sky([colors[1], colors[3], colors[4]], size)
    _sun(
        image,
        (width * rng.uniform(0.2, 0.8), height * rng.uniform(0.22, 0.42)),
        width * rng.uniform(0.05, 0.1),
        colors[4],
    )
    pen = ImageDraw.Draw(image)
    for layer in range(5):
        share = layer / 4
        color = tuple(
            int(colors[3][c] * (1 - share) * 0.8 + colors[0][c] * (0.2 + share * 0.6)) for c in range(3)
        )
        pen.polygon(
            _ridge(rng, size, height * (0.5 + 0.11 * layer), height * (0.06 - 0.006 * layer), 0.55),
            fill=color,
        )
    return image


def _waves(rng: random.Random, colors: list[Color], size: Size) -> Image.Image:
    width, height = size
    image = _sky([colors[2], colors[4]], size)
    _sun(image, (width * rng.uniform(0.25, 0.75), height * 0.3), width * 0.09, (255, 244, 214))
    for layer in range(7):
        share = layer / 6
        lit = tuple(int(colors[2][c] * (1 - share) + colors[0][c] * share) for c in range(3))
        mask = Image.new("L", size)
        ImageDraw.Draw(mask).polygon(
            _ridge(rng, size, height * (0.42 + 0.085 * layer), height * 0.022, 0.6), fill=215
        )
        image.paste(lit, (0, 0), mask)
    return image


def _nebula(rng: random.Random, colors: list[Color], size: Size) -> Image.Image:
    image = _mapped(_clouds(rng, size), [(6, 6, 20), colors[0], colors[1], colors[3], colors[4]])
    image = ImageChops.multiply(image, _mapped(_clouds(rng, size, 3, 3), [(40, 40, 70), (255, 255, 255)]))
    pen = ImageDraw.Draw(image)
    for _ in range(size[0] * size[1] // 1600):
        x, y, r = rng.uniform(0, size[0]), rng.uniform(0, size[1]), rng.choice((0.5, 0.5, 0.8, 1.4))
        pen.ellipse(
            (x - r, y - r, x + r, y + r), fill=rng.choice(((255, 255, 255), colors[4], (210, 225, 255)))
        )
    _sun(
        image,
        (size[0] * rng.uniform(0.2, 0.8), size[1] * rng.uniform(0.2, 0.6)),
        size[0] * 0.02,
        (255, 250, 235),
    )
    return image


def _agate(rng: random.Random, colors: list[Color], size: Size) -> Image.Image:
    bands = rng.choice((3, 4, 5))
    gray = _clouds(rng, size, 3, 3).point(
        [int(127.5 + 127.5 * math.sin(v / 255 * math.tau * bands)) for v in range(256)]
    )
    return _mapped(gray, colors)


def _tiles(rng: random.Random, colors: list[Color], size: Size) -> Image.Image:
    edge = max(size[0] // rng.choice((4, 5, 6)), 8)
    image = Image.new("RGB", size, colors[4])
    pen = ImageDraw.Draw(image)
    for top in range(0, size[1], edge):
        for left in range(0, size[0], edge):
            back, front, dot = rng.sample(colors, 3)
            pen.rectangle((left, top, left + edge, top + edge), fill=back)
            x, y = left + edge * rng.choice((0, 1)), top + edge * rng.choice((0, 1))
            tile = Image.new("RGB", (edge, edge), back)
            tile_pen = ImageDraw.Draw(tile)
            x, y = x - left, y - top
            tile_pen.ellipse((x - edge, y - edge, x + edge, y + edge), fill=front)
            if rng.random() < 0.6:
                tile_pen.ellipse((x - edge / 2, y - edge / 2, x + edge / 2, y + edge / 2), fill=dot)
            image.paste(tile, (left, top))
    return image


SCENES = {"hills": _hills, "waves": _waves, "nebula": _nebula, "agate": _agate, "tiles": _tiles}
