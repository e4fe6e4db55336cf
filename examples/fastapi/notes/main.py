"""The API."""

import secrets
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel

from .config import token

TOKEN = token()
bearer = HTTPBearer()


class Note(BaseModel):
    text: str


@asynccontextmanager
async def lifespan(app: FastAPI):
    yield
    print("notes: closed in good order", flush=True)


app = FastAPI(title="notes", lifespan=lifespan)
app.state.notes = {}


def signed_in(given: HTTPAuthorizationCredentials = Depends(bearer)) -> None:
    if not secrets.compare_digest(given.credentials, TOKEN):
        raise HTTPException(status_code=403)


@app.get("/healthz")
async def healthz():
    return {"status": "ok"}


@app.put("/notes/{name}", dependencies=[Depends(signed_in)])
async def put(name: str, note: Note):
    app.state.notes[name] = note
    return note


@app.get("/notes/{name}")
async def get(name: str) -> Note:
    if name not in app.state.notes:
        raise HTTPException(status_code=404)
    return app.state.notes[name]
