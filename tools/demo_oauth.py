"""The example application of the demo: what it needs, and who uses it as a person would."""

from dataclasses import dataclass

import stage
from browser import Browser

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
    step("The user withdraws what was granted.", 200, "The application can no longer act for you.")
    stage.until(lambda: browser.open(f"{application.home}/documents").status == 403, "the application is refused", seconds=20)
    step("The gateway refuses the access token, and the authorization server the refresh token.", 403, "invalid_grant")
    return results.count(False), len(results)
