import json

import pytest


@pytest.mark.django_db
def test_orders_are_counted(client):
    for items in ([{"name": "tea"}], [{"name": "cup", "gift": True}]):
        assert client.post("/orders/ann", json.dumps(items), content_type="application/json").status_code == 200
    assert client.get("/orders/ann").json() == {"customer": "ann", "orders": 2, "gifts": 1}
    assert client.get("/orders/bob").json()["orders"] == 0


@pytest.mark.django_db
def test_healthz(client):
    assert client.get("/healthz").content == b"ok\n"
