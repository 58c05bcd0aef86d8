"""A notice board: a small FastAPI application with models, dependencies and a WebSocket.

    make run                                 or: hyperfastapi run examples/demo.py

It imports FastAPI itself, to show that nothing needs to change; ``from hyperfastapi import
FastAPI`` gives the same application. The notes live in the memory of one process and end with it.
"""

import asyncio
import os
import platform
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path as FilePath
from typing import Annotated, TypedDict

from fastapi import (
    Depends,
    FastAPI,
    Header,
    HTTPException,
    Path,
    Query,
    WebSocket,
    WebSocketDisconnect,
    status,
)
from fastapi.requests import HTTPConnection
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import BaseModel, Field

ADMIN_TOKEN = "let-me-in"
MAX_NOTES = 1000
MAX_UNREAD = 100


class NoteIn(BaseModel):
    """What a client sends to put up a note."""

    text: str = Field(min_length=1, max_length=500, examples=["Choir practice moved to Thursday"])
    tags: set[str] = Field(default_factory=set, max_length=5, examples=[["choir"]])


class Note(NoteIn):
    """A note on the board."""

    id: int
    created: datetime


class Board:
    """The notes, newest last, and the queues of those who watch for new ones.

    The board holds at most MAX_NOTES notes; the oldest makes room. A watcher who does not read
    misses notes beyond MAX_UNREAD, so that nobody makes the board wait or grow.
    """

    def __init__(self) -> None:
        self._notes: dict[int, Note] = {}
        self._next_id = 1
        self._watchers: set[asyncio.Queue[Note]] = set()

    def add(self, draft: NoteIn) -> Note:
        """Puts up a note, tells the watchers, and returns it with its id and time."""
        note = Note(id=self._next_id, created=datetime.now(timezone.utc), **draft.model_dump())
        self._next_id += 1
        self._notes[note.id] = note
        if len(self._notes) > MAX_NOTES:
            del self._notes[next(iter(self._notes))]
        for watcher in self._watchers:
            with suppress(asyncio.QueueFull):
                watcher.put_nowait(note)
        return note

    def get(self, note_id: int) -> Note:
        """Returns a note. Raises HTTPException 404 when there is none with this id."""
        try:
            return self._notes[note_id]
        except KeyError:
            raise HTTPException(status.HTTP_404_NOT_FOUND, f"There is no note {note_id}") from None

    def remove(self, note_id: int) -> None:
        """Takes a note down. Raises HTTPException 404 when there is none with this id."""
        del self._notes[self.get(note_id).id]

    def find(self, tag: str | None) -> list[Note]:
        """Returns the notes that carry `tag`, or all of them for None, newest first."""
        return [note for note in reversed(self._notes.values()) if tag is None or tag in note.tags]

    @contextmanager
    def watch(self) -> Iterator[asyncio.Queue[Note]]:
        """Gives a queue that receives each note put up from now on, while the block runs."""
        queue: asyncio.Queue[Note] = asyncio.Queue(MAX_UNREAD)
        self._watchers.add(queue)
        try:
            yield queue
        finally:
            self._watchers.discard(queue)


class State(TypedDict):
    """What every request finds in its ``state``."""

    board: Board


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[State]:
    """Makes the board when the server starts."""
    board = Board()
    board.add(NoteIn(text="Welcome. This note was put up when the server started."))
    yield {"board": board}


def get_board(connection: HTTPConnection) -> Board:
    """The board of this process, for requests and WebSockets alike."""
    board: Board = connection.state.board
    return board


BoardDependency = Annotated[Board, Depends(get_board)]


class Page(BaseModel):
    """Which part of a list a client wants."""

    offset: int = Field(default=0, ge=0)
    limit: int = Field(default=20, ge=1, le=100)


def require_admin(x_token: Annotated[str | None, Header()] = None) -> None:
    """Lets a request through only with the token in its ``X-Token`` header."""
    if x_token != ADMIN_TOKEN:
        raise HTTPException(
            status.HTTP_401_UNAUTHORIZED, f"Send the header 'X-Token: {ADMIN_TOKEN}'"
        )


app = FastAPI(title="Notice board", version="1.0", lifespan=lifespan)


@app.get("/", include_in_schema=False)
def home() -> FileResponse:
    """A page that says what to try."""
    return FileResponse(FilePath(__file__).with_name("demo.html"))


@app.get("/notes")
async def list_notes(
    board: BoardDependency, page: Annotated[Page, Query()], tag: str | None = None
) -> list[Note]:
    """The newest notes first, those with `tag` only where it is given."""
    return board.find(tag)[page.offset : page.offset + page.limit]


@app.post("/notes", status_code=status.HTTP_201_CREATED)
async def add_note(draft: NoteIn, board: BoardDependency) -> Note:
    """Puts up a note. Everybody at `/live` sees it at once."""
    return board.add(draft)


@app.get("/notes/{note_id}")
async def get_note(note_id: Annotated[int, Path(ge=1)], board: BoardDependency) -> Note:
    """One note."""
    return board.get(note_id)


@app.delete(
    "/notes/{note_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    dependencies=[Depends(require_admin)],
)
async def remove_note(note_id: Annotated[int, Path(ge=1)], board: BoardDependency) -> None:
    """Takes a note down; for those who know the token."""
    board.remove(note_id)


@app.get("/countdown")
async def countdown(start: Annotated[int, Query(ge=1, le=60)] = 5) -> StreamingResponse:
    """One line a second, streamed."""

    async def lines() -> AsyncIterator[str]:
        for number in range(start, 0, -1):
            yield f"{number}\n"
            await asyncio.sleep(1)
        yield "liftoff\n"

    return StreamingResponse(lines(), media_type="text/plain")


class Process(BaseModel):
    """The process that answered."""

    pid: int
    python: str


@app.get("/process")
def process() -> Process:
    """Which worker answered; a plain function, which runs in a thread."""
    return Process(pid=os.getpid(), python=platform.python_version())


@app.websocket("/live")
async def live(websocket: WebSocket, board: BoardDependency) -> None:
    """Sends each new note as JSON; each text that it receives becomes a note."""
    await websocket.accept()

    async def send_from(queue: asyncio.Queue[Note]) -> None:
        with suppress(WebSocketDisconnect):
            while True:
                note = await queue.get()
                await websocket.send_text(note.model_dump_json())

    with board.watch() as queue:
        sender = asyncio.create_task(send_from(queue))
        try:
            async for text in websocket.iter_text():
                if text.strip():
                    board.add(NoteIn(text=text[:500], tags={"live"}))
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
