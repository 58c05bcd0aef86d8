"""About 100 kB of rows as JSON has them: what the large answers and requests are made of."""

from typing import Any

COUNT = 640


def rows() -> list[dict[str, Any]]:
    """Return them, new each time: strings, numbers, booleans, nulls and nested values."""
    return [
        {
            "id": number,
            "name": f"Article number {number}",
            "price": number + 0.25,
            "available": number % 3 != 0,
            "note": None if number % 2 else "caf\u00e9 \u2014 small",
            "tags": ["red", "green", f"t{number}"],
            "size": {"width": number * 2, "height": 1.5},
        }
        for number in range(COUNT)
    ]
