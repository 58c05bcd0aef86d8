"""The models of `rows`."""

from pydantic import BaseModel


class Size(BaseModel):
    """A part of a row."""

    width: int
    height: float


class Row(BaseModel):
    """A row."""

    id: int
    name: str
    price: float
    available: bool
    note: str | None
    tags: list[str]
    size: Size
