"""The authority at a million keys, and its token endpoint: builds what it takes for release and runs it."""

import os
import subprocess

from . import build, tokens

MANY, FEW = 1_000_000, 5_000


def measure(quick):
    """The table that it prints, in Markdown."""
    cargo = os.environ.get("CARGO", "cargo")
    words = [cargo, "build", "--quiet", "--locked", "--release", "--package", "flint", "--bin", "flint", "--example",
             "measure"]
    subprocess.run(words, cwd=build.ROOT, check=True)
    environment = dict(os.environ, FLINT_BENCH_KEYS=str(FEW if quick else MANY))
    words = [cargo, "build", "--quiet", "--locked", "--release", "--package", "flint-bench"]
    subprocess.run(words, cwd=build.ROOT, check=True)
    program = build.target() / "release" / "examples" / "measure"
    found = subprocess.run([program], env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
    return f"{found}\n{tokens.measure(quick)}"
