"""The example application of the demo: what it needs, and a browser that uses it as a person would."""

import html
import http.client
import re
from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin, urlsplit

import stage

PROGRAM = stage.ROOT / "examples" / "connect.py"
USER = "ada"


@dataclass(frozen=True)
class Application:
    """The running example application, and who can sign in."""

    home: str
    issuer: str
    password: str

    @classmethod
    def start(cls, theatre, authority, issuer, api, port):
        """Registers the application and a user, and starts the one file."""
        home = f"http://localhost:{port}"
        client = authority.json(
            "oauth", "clients", "create", "--name", "Example App", "--environment", "live",
            "--redirect-uri", f"{home}/callback", "--permission", "documents:read",
        )  # fmt: skip
        user = authority.json("users", "create", USER, "--permission", "documents:*")
        named = {"ISSUER": issuer, "API": f"{api}/documents", "PORT": str(port)}
        named |= {"CLIENT_ID": client["id"], "CLIENT_SECRET": client["client_secret"]}
        theatre.start("connect", [stage.PYTHON, PROGRAM], port, **named)
        return cls(home, issuer, user["password"])


class Forms(HTMLParser):
    """The forms of a page, each with what a browser would send of it."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        """A form begins, or has another field."""
        said = dict(attributes)
        if tag == "form":
            self.found.append({"id": said.get("id", ""), "action": said["action"], "fields": []})
        elif tag == "input" and self.found and (said.get("type") != "checkbox" or "checked" in said):
            self.found[-1]["fields"].append((said.get("name"), said.get("value", "")))


class Browser:
    """Keeps cookies, `Secure` ones on this machine too, and follows redirects."""

    def __init__(self):
        self.cookies = {}
        self.url = self.text = ""
        self.status = 0

    def open(self, url, fields=None):
        """Goes to an address, or sends a form there, and stays where that leads to."""
        url, fields = urljoin(self.url, url), fields and urlencode(fields)
        for _ in range(10):
            location = self._request(url, fields)
            if not location:
                self.url = url
                return self
            url, fields = urljoin(url, location), None
        raise stage.Failed("redirects without an end")

    def send(self, form, **filled):
        """Sends the form of the page whose id or address begins like this, with these fields filled in."""
        found = next((one for one in Forms(self.text).found if (one["id"] or one["action"]).startswith(form)), None)
        if not found:
            raise stage.Failed(f"{self.url} has no form {form}: {self.status}\n{self.text}")
        fields = [pair for pair in found["fields"] if pair[0] not in filled] + list(filled.items())
        return self.open(found["action"], fields or [("", "")])

    def words(self):
        """The text of the page, without its marks."""
        return " ".join(html.unescape(re.sub(r"<style.*?</style>|<[^>]*>", " ", self.text, flags=re.S)).split())

    def _request(self, url, fields):
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(stage.HOST, parts.port, timeout=60)
        headers = {"host": parts.netloc, "cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if fields is not None:
            headers |= {"content-type": "application/x-www-form-urlencoded", "origin": f"http://{urlsplit(self.url).netloc}"}
        try:
            path = parts.path + (f"?{parts.query}" if parts.query else "")
            connection.request("GET" if fields is None else "POST", path or "/", fields, headers)
            reply = connection.getresponse()
            for line in reply.headers.get_all("set-cookie", []):
                name, _, value = line.split(";")[0].partition("=")
                self.cookies[name] = value
            self.status, self.text = reply.status, reply.read().decode()
            return reply.getheader("location")
        finally:
            connection.close()


def check(application):
    """Connects, calls the API, refreshes, withdraws; returns how many steps were not as documented, and how many there are."""
    browser, results = Browser(), []

    def step(says, status, text):
        results.append(browser.status == status and text in browser.words())
        print(f"- {says}\n  {browser.status} {browser.words()[:150]}")
        print("" if results[-1] else f"  NOT AS DOCUMENTED: {status} with {text!r} is missing\n")

    browser.open(application.home).send("/connect")
    step("The application sends its user to the authorization server, who signs in there.", 200, "to continue to Example App")
    browser.send("sign-in", name=USER, password=application.password)
    step("The user is asked what the application may do.", 200, "Allow Example App?")
    browser.send("consent", decision="allow")
    step("The user comes back with a code, which the application exchanges.", 200, "Connected.")
    browser.open("/documents")
    step("The application calls the API with its access token.", 200, '"x-flint-client-id"')
    browser.send("/refresh")
    step("It gets a new access token with its refresh token.", 200, '"x-flint-client-id"')
    browser.open(f"{application.issuer}/account/apps").send("withdraw-")
    step("The user withdraws what was granted.", 200, "No application may act for you.")
    stage.until(lambda: browser.open(f"{application.home}/documents").status == 403, "the application is refused", seconds=20)
    step("The gateway refuses the access token, and the authorization server the refresh token.", 403, "invalid_grant")
    return results.count(False), len(results)
