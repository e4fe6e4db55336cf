import pytest
from fastapi.testclient import TestClient

from notes.main import app


@pytest.fixture
def client():
    with TestClient(app) as client:
        yield client


def test_healthz(client):
    assert client.get("/healthz").json() == {"status": "ok"}


def test_notes_are_kept(client):
    signed = {"Authorization": "Bearer only-for-tests"}
    assert client.put("/notes/tea", json={"text": "green"}, headers=signed).status_code == 200
    assert client.get("/notes/tea").json() == {"text": "green"}


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}])
def test_writing_needs_the_token(client, headers):
    assert client.put("/notes/tea", json={"text": "black"}, headers=headers).status_code in (401, 403)


def test_missing_note(client):
    assert client.get("/notes/none").status_code == 404
