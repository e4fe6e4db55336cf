import pytest


@pytest.fixture
def environment(monkeypatch):
    for name in ("GREETING", "LOG_LEVEL", "FAIL_SHARE", "SLOW_SHARE", "SLOW_MS", "PROMETHEUS_MULTIPROC_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SECRET_KEY", "for tests only")
    return monkeypatch


@pytest.fixture
def client(environment):
    from hello.app import create_app

    return create_app().test_client()
