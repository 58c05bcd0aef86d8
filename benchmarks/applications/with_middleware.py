"""A FastAPI application behind CORS and GZip: a small answer, and one that gets compressed."""

from typing import Any

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.gzip import GZipMiddleware

from benchmarks.applications.rows import rows

app = FastAPI()
app.add_middleware(GZipMiddleware)
app.add_middleware(
    CORSMiddleware,
    allow_origins=["https://example.org"],
    allow_credentials=True,
    allow_methods=["*"],
    allow_headers=["*"],
)

SOME_ROWS = rows()[:20]


@app.get("/with-middleware")
def read_with_middleware() -> dict[str, str]:
    """Answer with less than GZip compresses, as most answers of an API are."""
    return {"hello": "world"}


@app.get("/compressed")
async def read_compressed() -> list[dict[str, Any]]:
    """Answer with a few kB, which GZip compresses."""
    return SOME_ROWS
