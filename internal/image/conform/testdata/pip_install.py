"""Runs pip for another target: ENV-JSON, then pip's own arguments.

pip takes --platform and --python-version for choosing files, but evaluates
markers for the interpreter that runs it; here they see the target.
"""

import json
import sys

from pip._vendor.packaging import markers

environment = json.loads(sys.argv.pop(1))
markers.default_environment = lambda: dict(environment)

from pip._internal.cli.main import main  # noqa: E402

sys.exit(main(sys.argv[1:]))
