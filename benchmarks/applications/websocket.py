"""A FastAPI application whose WebSocket sends back each text message."""

from fastapi import FastAPI, WebSocket

app = FastAPI()


@app.websocket("/echo")
async def echo(websocket: WebSocket) -> None:
    """Echo until the client leaves, which ends in an exception, as applications often leave it."""
    await websocket.accept()
    while True:
        await websocket.send_text(await websocket.receive_text())
