"""The configuration contract: environment variables, read once, checked at boot."""

import os
from dataclasses import dataclass


class ConfigError(Exception):
    """The environment does not fulfil the contract; the message says how."""


@dataclass(frozen=True)
class Config:
    secret_key: str
    greeting: str
    log_level: str
    fail_share: float
    slow_share: float
    slow_ms: int


def load() -> Config:
    """Read the environment, or say everything that is wrong with it at once."""
    problems = []
    secret_key = os.environ.get("SECRET_KEY", "")
    if not secret_key:
        problems.append("SECRET_KEY is required and not set")
    greeting = os.environ.get("GREETING", "Hello")
    log_level = os.environ.get("LOG_LEVEL", "INFO")
    if log_level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        problems.append(f"LOG_LEVEL is {log_level!r}; it is DEBUG, INFO, WARNING or ERROR")
    fail_share = _share("FAIL_SHARE", os.environ.get("FAIL_SHARE", "0"), problems)
    slow_share = _share("SLOW_SHARE", os.environ.get("SLOW_SHARE", "0"), problems)
    slow_ms = os.environ.get("SLOW_MS", "500")
    if not slow_ms.isdigit():
        problems.append(f"SLOW_MS is {slow_ms!r}; it is a number of milliseconds")
    if problems:
        raise ConfigError("; ".join(problems))
    return Config(secret_key, greeting, log_level, fail_share, slow_share, int(slow_ms))


def _share(name: str, value: str, problems: list) -> float:
    try:
        share = float(value)
        if 0 <= share <= 1:
            return share
    except ValueError:
        pass
    problems.append(f"{name} is {value!r}; it is a share between 0 and 1")
    return 0.0
