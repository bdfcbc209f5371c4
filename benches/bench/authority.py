"""The authority at a million keys: builds `flint` and authority/examples/measure.rs for release and runs them."""

import os
import subprocess

from . import build

MANY, FEW = 1_000_000, 5_000


def measure(quick):
    """The table that it prints, in Markdown."""
    cargo = os.environ.get("CARGO", "cargo")
    words = [cargo, "build", "--quiet", "--locked", "--release", "--package", "flint", "--bin", "flint", "--example",
             "measure"]
    subprocess.run(words, cwd=build.ROOT, check=True)
    environment = dict(os.environ, FLINT_BENCH_KEYS=str(FEW if quick else MANY))
    program = build.target() / "release" / "examples" / "measure"
    return subprocess.run([program], env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
