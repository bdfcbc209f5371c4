"""The programs of docs/oauth-quickstart.md work as printed, but for the hosts."""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from urllib.parse import quote

import stage
from world import CALLBACK, world

PAGE = stage.ROOT / "docs" / "oauth-quickstart.md"


class Snippets(unittest.TestCase):
    """One program in each language."""

    def setUp(self):
        self.world = world()
        self.client = self.world.client()

    def program(self, language):
        """The text of a program, with the hosts of this machine."""
        text = PAGE.read_text().split(f"```{language}\n")[1].split("```")[0]
        hosts = {"https://auth.example.com": self.world.issuer, "https://api.example.com": self.world.api}
        for printed, real in (hosts | {"https://app.example.com/callback": CALLBACK}).items():
            self.assertTrue(printed in text or quote(printed, safe="") in text, printed)
            text = text.replace(printed, real).replace(quote(printed, safe=""), quote(real, safe=""))
        return text

    def run_program(self, language, words, ending, spoil=lambda address: address):
        """Runs it; returns the exit code and what it printed after the address to open."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"program{ending}"
            path.write_text(self.program(language))
            named = {"CLIENT_ID": self.client["id"], "CLIENT_SECRET": self.client["client_secret"]}
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            with subprocess.Popen([*words, path], env={**os.environ, **named}, **pipes) as running:
                url = running.stdout.readline().strip()
                back = spoil(self.world.consent(url)) if url else ""
                printed, errors = running.communicate(f"{back}\n", timeout=60)
            return running.returncode, printed + errors

    def works(self, language, *words, ending=""):
        """It calls the API twice, and refuses what is not the answer to its request."""
        code, printed = self.run_program(language, words, ending)
        self.assertEqual((code, printed.count(self.client["id"])), (0, 2), printed)
        for part in ("state=", "iss="):
            code, printed = self.run_program(language, words, ending, lambda address: address.replace(part, f"{part}x"))
            self.assertNotEqual(code, 0, part)
            self.assertIn("this is not the answer to this request", printed)

    def test_bash(self):
        """curl and openssl."""
        self.works("bash", "bash")

    def test_javascript(self):
        """Node.js."""
        self.works("javascript", os.environ["NODE"], ending=".mjs")

    def test_python(self):
        """requests."""
        self.works("python", sys.executable, ending=".py")


if __name__ == "__main__":
    unittest.main()
