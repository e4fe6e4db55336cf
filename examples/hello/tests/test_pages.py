def test_index(client):
    page = client.get("/")
    assert page.status_code == 200
    assert b"Hello, world!" in page.data


def test_names_are_escaped(client):
    assert b"&lt;b&gt;" in client.get("/greet/<b>").data


def test_basket(client):
    assert b"<li>pears</li>" in client.get("/basket").data


def test_static_files_are_there(client):
    assert client.get("/static/style.css").status_code == 200


def test_greeting_comes_from_the_environment(environment):
    from hello.app import create_app

    environment.setenv("GREETING", "Ahoj")
    assert b"Ahoj, world!" in create_app().test_client().get("/").data


def test_health_tells_the_version_and_no_secret(client):
    answer = client.get("/healthz")
    assert answer.json["status"] == "ok"
    assert b"for tests only" not in answer.data


def test_request_id_is_kept(client):
    assert client.get("/", headers={"X-Request-ID": "abc"}).headers["X-Request-ID"] == "abc"
