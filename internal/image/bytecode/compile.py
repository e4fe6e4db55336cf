"""Compiles Python files to byte code without running them.

Requests on stdin: lengths of path and source (two 32-bit numbers), path, source.
Answers on stdout: the length of a .pyc, 0 if it does not compile, and the .pyc.
The .pyc carries the hash of its source and is never compared with it (PEP 552,
unchecked): times play no part.
"""

import importlib.util
import struct
import sys
from importlib._bootstrap_external import _code_to_hash_pyc


def main():
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    while head := requests.read(8):
        name, size = struct.unpack(">II", head)
        path = requests.read(name).decode()
        source = requests.read(size)
        try:
            code = compile(source, path, "exec", dont_inherit=True, optimize=0)
            pyc = bytes(_code_to_hash_pyc(code, importlib.util.source_hash(source), False))
        except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
            pyc = b""
        answers.write(struct.pack(">I", len(pyc)) + pyc)
        answers.flush()


main()
