import subprocess
import sys

import pytest

from hello.config import ConfigError, load


def test_defaults(environment):
    cfg = load()
    assert (cfg.greeting, cfg.log_level, cfg.fail_share) == ("Hello", "INFO", 0.0)


def test_secret_key_is_required(environment):
    environment.delenv("SECRET_KEY")
    with pytest.raises(ConfigError, match="SECRET_KEY is required"):
        load()


@pytest.mark.parametrize("name, value", [("LOG_LEVEL", "LOUD"), ("FAIL_SHARE", "2"), ("FAIL_SHARE", "x"), ("SLOW_MS", "-1")])
def test_invalid_values_are_refused(environment, name, value):
    environment.setenv(name, value)
    with pytest.raises(ConfigError, match=name):
        load()


def test_everything_wrong_is_said_at_once(environment):
    environment.delenv("SECRET_KEY")
    environment.setenv("SLOW_SHARE", "many")
    with pytest.raises(ConfigError, match="SECRET_KEY.*SLOW_SHARE"):
        load()


def test_refuses_to_boot(environment):
    environment.delenv("SECRET_KEY")
    environment.setenv("PYTHONPATH", ":".join(p for p in sys.path if p))
    run = subprocess.run([sys.executable, "-c", "import hello.wsgi"], capture_output=True, text=True)
    assert run.returncode == 78
    assert run.stderr == "hello: refusing to start: SECRET_KEY is required and not set\n"
