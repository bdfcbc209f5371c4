"""Programs that come as Python wheels: each list is tools/wheels/<name>.txt, and is installed with pip into `.tools/`.

`python3 tools/wheelhouse.py NAME` prints the folder.
"""

import os
import subprocess
import sys

from store import ROOT, fail, kept

NO_PIP = """\
{name} cannot be installed: this Python ({python}) has neither pip nor a venv with pip in it.
Do one of these and try again:
  Debian, Ubuntu:  apt-get install python3-venv     (or python3-pip)
  Fedora:          dnf install python3-pip"""

FAILED = """\
{name} cannot be installed: pip's message is above. If it cannot reach the Python package index, look at the network, at
HTTPS_PROXY, or name a mirror with PIP_INDEX_URL. The wheels of tools/wheels/{name}.txt are for Linux x86-64 and arm64
(glibc 2.31 or later) and for macOS on arm64, and for Python {needed} or later."""

TOO_OLD = """\
{name} needs Python {needed} or later, and this is {version} ({python}).
Let a newer one be the first python3 in PATH."""

# The oldest Python that each list has wheels for.
OLDEST = {"oauth": (3, 11), "schemathesis": (3, 11)}


def installed(name, hint=""):
    """The folder with everything of a list; ends the program, and adds `hint`, if it cannot be had."""
    _refuse_if_too_old(name, sys.version_info[:3])
    wanted = ROOT / "tools" / "wheels" / f"{name}.txt"
    return kept(name, [wanted], lambda scratch: _install(name, wanted, scratch, hint))


def _oldest(name):
    return OLDEST.get(name, (3, 10))


def _dotted(version):
    return ".".join(map(str, version))


def _refuse_if_too_old(name, version):
    """Said before pip is asked, which would only say that it finds no version."""
    if version < _oldest(name):
        words = {"needed": _dotted(_oldest(name)), "version": _dotted(version), "python": sys.executable}
        fail(TOO_OLD.format(name=name, **words))


def _install(name, wanted, scratch, hint):
    words = _pip(name, scratch, hint)
    words += ["install", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps", "--no-cache-dir"]
    # A registry that cannot be reached is said soon.
    words += ["--retries", "2"]
    words += ["--only-binary=:all:", "--require-hashes", "--requirement", str(wanted)]
    words += ["--target", str(scratch / "home")]
    environment = {**os.environ, "PIP_ROOT_USER_ACTION": "ignore"}
    if subprocess.run(words, env=environment, stdout=sys.stderr).returncode != 0:
        fail(FAILED.format(name=name, needed=_dotted(_oldest(name))), hint)


def _pip(name, scratch, hint):
    """The words that run a pip: this Python's own, or that of a venv made in `scratch`."""
    if subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True).returncode == 0:
        return [sys.executable, "-m", "pip"]
    venv = scratch / "venv"
    if subprocess.run([sys.executable, "-m", "venv", str(venv)], capture_output=True).returncode != 0:
        fail(NO_PIP.format(name=name, python=sys.executable), hint)
    return [str(venv / "bin" / "python"), "-m", "pip"]


if __name__ == "__main__":
    print(installed(sys.argv[1]))
