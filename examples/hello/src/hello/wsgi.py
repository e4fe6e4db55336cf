"""What gunicorn loads. Refuses to boot, in one line, when the contract is broken."""

import sys

from .app import create_app
from .config import ConfigError

try:
    app = create_app()
except ConfigError as err:
    print(f"hello: refusing to start: {err}", file=sys.stderr)
    sys.exit(78)  # EX_CONFIG
