"""`.tools/`: what the demo, the tests and the benchmarks need and the machine does not have (ignored by git).

Everything in it is pinned by version and hash. No step needs root. FLINT_TOOLS names another folder, which several
checkouts may share.
"""

import fcntl
import hashlib
import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STORE = Path(os.environ.get("FLINT_TOOLS") or ROOT / ".tools").absolute()


def kept(name, lists, fill):
    """The folder of what these lists name. If it is missing, `fill(scratch)` has to make `scratch/home`.

    An installation is whole or absent, and a second process waits for the first. Another list is another folder.
    """
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in lists)).hexdigest()
    home = STORE / f"{name}-{digest[:12]}"
    if home.exists():
        return home
    STORE.mkdir(parents=True, exist_ok=True)
    with open(STORE / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.exists():
            began = time.monotonic()
            say(f"installing {name} into {home}")
            with tempfile.TemporaryDirectory(dir=STORE, prefix="new-") as scratch:
                fill(Path(scratch))
                os.rename(Path(scratch) / "home", home)
            say(f"installed {name} in {time.monotonic() - began:.0f} s")
    return home


def program(path, text):
    """Writes a program, whole or not at all; one that is there already may be another user's."""
    if path.exists() and path.read_text() == text:
        return
    path.parent.mkdir(exist_ok=True)
    scratch = path.with_name(f".{path.name}-{os.getpid()}")
    scratch.write_text(text)
    scratch.chmod(0o755)
    scratch.rename(path)


def say(text):
    """Standard output is for paths alone."""
    print(text, file=sys.stderr, flush=True)


def fail(*paragraphs):
    """Ends the program with what is wrong and what to do."""
    say("\n".join(text for text in paragraphs if text))
    sys.exit(1)
