"""Validates bills of materials with readers that are not ours.

Arguments: files; *.spdx.json with spdx-tools, *.cdx.json with
cyclonedx-python-lib. Prints "FILE: problem" lines; nothing when all are valid.
"""

import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

cyclonedx = JsonStrictValidator(SchemaVersion.V1_6)
for name in sys.argv[1:]:
    if name.endswith(".spdx.json"):
        try:
            document = parse_file(name)
        except Exception as problem:  # the reader's own errors are of many kinds
            print(f"{name}: {problem}")
            continue
        for message in validate_full_spdx_document(document, "SPDX-2.3"):
            print(f"{name}: {message.validation_message}")
    else:
        with open(name, encoding="utf-8") as f:
            problem = cyclonedx.validate_str(f.read())
        if problem is not None:
            print(f"{name}: {problem}")
