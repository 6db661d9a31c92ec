"""What all drawings of the benches have around them."""

from collections.abc import Iterable


def document(width: int, height: int, parts: Iterable[str]) -> str:
    """A drawing of these elements, on white."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13" fill="#222222">'
    )
    back = f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
    return "\n".join([head, back, *parts, "</svg>"]) + "\n"
