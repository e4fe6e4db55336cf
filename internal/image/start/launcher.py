#!@PYTHON@ -IS
"""Starts a process of this image by its name; other words are a command.

The process takes this one's place: signals reach it, no shell is involved.
"""

import os
import sys

PROCESSES = @PROCESSES@
METRICS = @METRICS@


def value(name, default, flags):
    got = os.environ.get(name)
    return default if got is None or not got and ":" in flags else got


def expand(word):
    """The words that a word stands for: values outside of quotes are divided at blanks."""
    out, open_ = [""], False
    for part in word:
        if isinstance(part, str):
            out[-1] += part
            open_ = True
            continue
        text = value(*part)
        if "s" not in part[2]:
            out[-1] += text
            open_ = True
            continue
        pieces = text.split()
        if not pieces:
            continue
        if text[0].isspace() and open_:
            out.append("")
        out[-1] += pieces[0]
        out.extend(pieces[1:])
        open_ = True
        if text[-1].isspace():
            out.append("")
            open_ = False
    return out if open_ else out[:-1]


def prepare():
    """prometheus_client adds up the numbers of several processes in a folder, which has to be there and empty."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if not (METRICS and folder):
        return
    try:
        os.makedirs(folder, exist_ok=True)
        for name in os.listdir(folder):
            if name.endswith(".db"):
                os.remove(os.path.join(folder, name))
    except OSError as err:
        print(f"fairlead-start: PROMETHEUS_MULTIPROC_DIR: {err}", file=sys.stderr)


def main(args):
    if args and args[0] in PROCESSES:
        process = PROCESSES[args[0]]
        args = [w for word in process["words"] for w in expand(word)] + args[1:]
        for name, word in process["env"]:
            os.environ[name] = " ".join(expand(word))
        prepare()
    if not args:
        sys.exit("fairlead-start: name a process (" + ", ".join(PROCESSES) + ") or a command")
    try:
        os.execvp(args[0], args)
    except FileNotFoundError:
        print(f"fairlead-start: there is no command {args[0]!r}; processes: " + ", ".join(PROCESSES), file=sys.stderr)
        sys.exit(127)
    except OSError as err:
        print(f"fairlead-start: {args[0]}: {err.strerror}", file=sys.stderr)
        sys.exit(126)


if __name__ == "__main__":
    main(sys.argv[1:])
