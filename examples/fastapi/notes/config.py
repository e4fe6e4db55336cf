"""What the environment says; all of it is read here."""

import os
import sys


def token() -> str:
    value = os.environ.get("API_TOKEN", "")
    if not value:
        sys.exit("API_TOKEN is required: set it in the environment")
    return value
