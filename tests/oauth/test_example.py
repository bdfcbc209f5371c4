"""The application in examples/ as its users' enemies meet it: answers that are not to its own requests, and other browsers."""

import unittest
from urllib.parse import parse_qs, urlencode, urlsplit

import stage
from browser import Browser
from demo_oauth import PROGRAM
from world import PASSWORD, world


class Example(unittest.TestCase):
    """One file that people copy."""

    @classmethod
    def setUpClass(cls):
        cls.world, port = world(), stage.free_port()
        cls.home = f"http://localhost:{port}"
        cls.made = cls.world.flint(
            "oauth", "clients", "create", "--name", "Example App", "--environment", "live", "--permission", "documents:read",
            "--redirect-uri", f"{cls.home}/callback",
        )  # fmt: skip
        named = {"ISSUER": cls.world.issuer, "API": f"{cls.world.api}/documents", "PORT": str(port)}
        named |= {"CLIENT_ID": cls.made["id"], "CLIENT_SECRET": cls.made["client_secret"]}
        cls.world.theatre.start("example", [stage.PYTHON, PROGRAM], port, **named)

    def begun(self):
        """A browser that was sent to the authorization server, and the `state` of that request."""
        browser = Browser()
        browser.end = f"{self.world.issuer}/oauth/authorize"
        browser.open(self.home).send("/connect")
        return browser, parse_qs(urlsplit(browser.url).query)["state"][0]

    def back(self, browser, **answer):
        """The browser comes back with this answer; what the page says."""
        browser.end = None
        browser.open(f"{self.home}/callback?{urlencode(answer)}")
        return browser.status, browser.words()

    def refused(self, browser, why, **answer):
        """The answer is refused, and nothing came of it."""
        status, words = self.back(browser, **answer)
        self.assertEqual(status, 403)
        self.assertIn(why, words)
        self.assertIn("you are not connected", browser.open(f"{self.home}/documents").words())

    def test_an_answer_to_no_request_of_this_browser_is_refused(self):
        """RFC 6749 §10.12, RFC 9700 §4.7."""
        good = {"code": "x", "iss": self.world.issuer}
        _, another = self.begun()
        for state in ({}, {"state": ""}, {"state": "x"}, {"state": another}):
            self.refused(self.begun()[0], "not the answer to a request of this browser", **good, **state)
        self.refused(Browser(), "not the answer to a request of this browser", **good, state=another)

    def test_an_answer_of_another_server_is_refused(self):
        """RFC 9207 §2.4, RFC 9700 §4.4."""
        for iss in ({}, {"iss": "https://evil.example"}, {"iss": f"{self.world.issuer}/"}):
            browser, state = self.begun()
            self.refused(browser, "another server's", code="x", state=state, **iss)

    def test_an_answer_counts_once(self):
        """RFC 6749 §10.5: neither the address in the history nor a code from elsewhere connects again."""
        browser, state = self.begun()
        self.refused(browser, "invalid_grant", code="x", state=state, iss=self.world.issuer)
        self.refused(browser, "not the answer", code="x", state=state, iss=self.world.issuer)

    def test_who_knew_the_session_before_does_not_get_the_tokens(self):
        """RFC 6265 §8.4."""
        browser, _ = self.begun()
        enemy = Browser()
        enemy.cookies = {"session": browser.cookies["session"]}
        url, browser.end = browser.url, None
        browser.open(url).send("sign-in", name="ada", password=PASSWORD).send("consent", decision="allow")
        self.assertIn("Connected.", browser.words())
        self.assertEqual(browser.open(f"{self.home}/documents").status, 200)
        self.assertIn("you are not connected", enemy.open(f"{self.home}/documents").words())


if __name__ == "__main__":
    unittest.main()
