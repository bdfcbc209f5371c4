// A real `flint serve` on a fresh database, and a real Chromium that looks at it.

import { execFile, spawn } from "node:child_process";
import { createServer } from "node:http";
import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { readFile } from "node:fs/promises";
import { chromium } from "playwright-core";

const run = promisify(execFile);
const FLINT = process.env.FLINT;
const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/// How it issues tokens. Nobody fetches the issuer; pages show it.
const ISSUING = ["--issuer", "https://auth.example.com", "--resource", "https://api.example.com"];

/// How long something is awaited that must come, in milliseconds. It says nothing of how soon it should.
const PATIENCE = 60_000;

/// The rules that pages are held to: WCAG 2.2, A and AA, and what axe calls good practice.
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

export class Authority {
  /// Starts one, on a free port and a database of its own. It issues tokens, unless `issuing` is empty.
  static async start(issuing = ISSUING) {
    const authority = new Authority();
    authority.directory = await mkdtemp(join(tmpdir(), "flint-dashboard-"));
    authority.database = `sqlite:${join(authority.directory, "flint.db")}`;
    const child = spawn(FLINT, ["--json", "--database", authority.database, "serve", "--listen", "127.0.0.1:0", ...issuing], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    authority.child = child;
    authority.log = "";
    child.stderr.on("data", (text) => (authority.log += text));
    let text = "";
    for await (const line of createInterface({ input: child.stdout })) {
      text += line;
      try {
        const started = JSON.parse(text);
        authority.origin = `http://${started.listen}`;
        authority.admin = started.first_sign_in;
        return authority;
      } catch {
        // The rest of it is still to come.
      }
    }
    throw new Error(`flint serve did not start: ${authority.log}`);
  }

  /// Runs the command line on the same database.
  async flint(...words) {
    const { stdout } = await run(FLINT, ["--json", "--database", this.database, ...words]);
    return JSON.parse(stdout);
  }

  /// Calls the API.
  async call(method, path, token, body, headers = {}) {
    return fetch(`${this.origin}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json", ...headers },
      body: body && JSON.stringify(body),
    });
  }

  /// Makes a key. `more` are further words of the command line.
  key(name, environment, ...more) {
    return this.flint("keys", "create", "--name", name, "--environment", environment, ...more);
  }

  /// Adds a user and gives back their name and password.
  async user(name, ...more) {
    const { id, password } = await this.flint("users", "create", name, ...more);
    return { id, name, password };
  }

  /// Registers an application that may ask for these permissions and wants its users back at `redirect`.
  application(name, redirect, permissions, environment = "live", ...more) {
    const granted = permissions.flatMap((permission) => ["--permission", permission]);
    const words = ["--name", name, "--environment", environment, "--redirect-uri", redirect, ...granted, ...more];
    return this.flint("oauth", "clients", "create", ...words);
  }

  /// A gateway with one process that has not been heard of yet.
  async gateway(name, process) {
    const { token } = await this.flint("gateways", "create", name);
    return new Process(this, token, process);
  }

  async stop() {
    const ended = new Promise((resolve) => this.child.once("exit", resolve));
    this.child.kill("SIGTERM");
    await ended;
    await rm(this.directory, { recursive: true });
  }
}

/// One Envoy process, as far as the authority sees it.
export class Process {
  constructor(authority, token, id) {
    Object.assign(this, { authority, token, id, cursor: undefined });
  }

  async call(method, path, body) {
    const answer = await this.authority.call(method, path, this.token, body, { "x-flint-gateway": this.id });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer;
  }

  /// Reads the table up to its end and says so, as a gateway does whose workers have applied it.
  async follow() {
    for (;;) {
      const query = this.cursor ? `?wait=0&cursor=${encodeURIComponent(this.cursor)}` : "?wait=0";
      const page = await (await this.call("GET", `/v1/key-table${query}`)).json();
      const isNew = this.cursor !== page.cursor;
      this.cursor = page.cursor;
      if (!page.more && !isNew) return;
    }
  }

  /// Reports use of keys.
  async report(entries, at = Math.floor(Date.now() / 1000)) {
    const body = { report_id: crypto.randomUUID(), from: at - 10, to: at, entries, dropped: 0 };
    await this.call("POST", "/v1/usage", body);
  }
}

export async function browser() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM,
    timeout: PATIENCE,
    // A sandbox of its own cannot be made inside most containers; nothing but our own pages is loaded.
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
  });
}

/// A window with nobody signed in.
export async function visit(browser, authority, options = {}) {
  const context = await browser.newContext({
    baseURL: authority.origin,
    viewport: { width: 1360, height: 860 },
    ...options,
  });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  page.problems = [];
  page.on("pageerror", (error) => page.problems.push(String(error)));
  page.on("console", (message) => {
    // A page that answers 4xx on purpose is told by the browser too.
    if (message.type() === "error" && !message.text().includes("the server responded with a status of 4")) {
      page.problems.push(message.text());
    }
  });
  return page;
}

/// Looks until it is so.
export async function eventually(check) {
  const end = Date.now() + PATIENCE;
  while (!(await check())) {
    if (Date.now() > end) throw new Error(`it does not come to pass: ${check}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

export async function signIn(page, authority) {
  await page.goto("/sign-in");
  await page.getByLabel("Name").fill(authority.admin.name);
  await page.getByLabel("Password").fill(authority.admin.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL("**/settings/api-keys");
}

/// Signs a user in on the page that is there.
export async function signInUser(page, user) {
  await page.getByLabel("Name").fill(user.name);
  await page.getByLabel("Password").fill(user.password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

/// The address that an application sends its users to, for what it asks for.
export function request(client, scope, state = "xyz") {
  const query = new URLSearchParams({
    response_type: "code",
    client_id: client.id,
    redirect_uri: client.redirect_uris[0],
    scope,
    state,
    code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    code_challenge_method: "S256",
  });
  return `/oauth/authorize?${query}`;
}

/// Lets a user allow an application something.
export async function allow(browser, authority, user, client, scope) {
  const page = await visit(browser, authority);
  await page.goto(request(client, scope));
  await signInUser(page, user);
  await page.getByRole("button", { name: "Allow" }).click();
  await page.getByText("Back at the application").waitFor();
  await page.context().close();
}

/// An application's own pages: it shows what it was sent back with.
export async function application() {
  const server = createServer((_, answer) => {
    answer.setHeader("content-type", "text/html");
    answer.end("<!doctype html><html lang=en><title>Application</title><h1>Back at the application</h1>");
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { redirect: `http://127.0.0.1:${server.address().port}/callback`, stop: () => server.close() };
}

/// What axe finds wrong with the page as it is, one line each.
export async function violations(page) {
  await page.evaluate(AXE);
  const found = await page.evaluate(
    (rules) => axe.run(document, { runOnly: { type: "tag", values: rules } }),
    RULES,
  );
  return found.violations.flatMap((rule) =>
    rule.nodes.map((node) => `${rule.id}: ${node.target} ${node.failureSummary.replace(/\s+/g, " ")}`),
  );
}
