import json
import re


def total(client, status):
    text = client.get("/metrics").text
    found = re.findall(r'^http_requests_total\{method="GET",status="%s"\} (\S+)$' % status, text, re.M)
    return float(found[0]) if found else 0.0


def test_requests_are_counted(client):
    before = total(client, 200)
    for _ in range(3):
        client.get("/")
    assert total(client, 200) == before + 3


def test_failure_switch(environment):
    from hello.app import create_app

    environment.setenv("FAIL_SHARE", "1")
    client = create_app().test_client()
    before = total(client, 500)
    assert client.get("/").status_code == 500
    assert client.get("/healthz").status_code == 200
    assert total(client, 500) == before + 1


def test_logs_are_json(environment, capsys):
    from hello.app import create_app

    client = create_app().test_client()
    client.get("/greet/log")
    line = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert (line["msg"], line["path"], line["status"]) == ("request", "/greet/log", 200)
