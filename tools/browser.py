"""A browser for programs: it keeps cookies, follows redirects and sends forms, as a person's would."""

import html
import http.client
import re
from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin, urlsplit

import stage


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
        # Where it stops instead of going there: an application that nothing listens for.
        self.end = None
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
            if self.end and url.startswith(self.end):
                self.url, self.text = url, ""
                return self
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
