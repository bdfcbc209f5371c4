// Settings of OAuth, as a person uses them: clients, users, grants, signing keys.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Authority, allow, application, signIn, violations, visit } from "./harness.mjs";
import { tabTo } from "./keyboard.mjs";
import { authority, chromium, operator, stage } from "./stage.mjs";

let app;

stage(async () => {
  await authority.flint("permissions", "offer", "documents:read", "--description", "See documents");
  app = await application();
});

after(() => app.stop());

test("a client is registered with a mouse, and its secret is masked, shown and copied", async () => {
  const page = await operator({ permissions: ["clipboard-read", "clipboard-write"] });
  await page.getByRole("link", { name: "OAuth clients" }).click();
  await page.getByText("No clients yet").waitFor();
  await page.getByRole("link", { name: "Register Client" }).click();
  await page.getByRole("radio", { name: /^Test/ }).check();
  // Only what matters for the kind of client is there to be filled in.
  const [method, keys] = [page.getByLabel("Client authentication"), page.getByLabel("Public keys")];
  assert.ok((await method.isVisible()) && !(await keys.isVisible()));
  await method.selectOption("private_key_jwt");
  assert.ok(await keys.isVisible());
  await page.getByRole("radio", { name: /^Public/ }).check();
  assert.ok(!(await method.isVisible()) && !(await keys.isVisible()));
  await page.getByRole("radio", { name: /^Confidential/ }).check();
  await method.selectOption("client_secret_basic");
  await page.getByLabel("Name", { exact: true }).fill("Example App");
  await page.getByLabel("Redirect URIs").fill("http://evil.example/callback");
  await page.getByRole("radiogroup", { name: "Access to documents" }).getByLabel("Read", { exact: true }).check();
  await page.getByRole("button", { name: "Register client" }).click();
  await page.getByRole("link", { name: /Entry 1 must be an absolute URI/ }).click();
  assert.equal(await page.evaluate(() => location.hash), "#redirect_uris");
  assert.deepEqual(await violations(page), []);
  await page.getByLabel("Redirect URIs").fill(app.redirect);
  await page.getByRole("button", { name: "Register client" }).click();
  await page.getByText("This is shown only once.").waitFor();
  assert.deepEqual(await violations(page), []);
  const value = page.locator("[data-value]");
  assert.match(await value.textContent(), /^flint_secret_\w+…\w{4}$/);
  await page.getByRole("button", { name: "Copy" }).click();
  await page.getByText("Copied to the clipboard.").waitFor();
  const secret = await page.evaluate(() => navigator.clipboard.readText());
  assert.match(secret, /^flint_secret_\w{33}$/);
  await page.getByRole("link", { name: "I’ve saved it" }).click();
  await page.getByRole("heading", { name: "Example App" }).waitFor();
  assert.ok(!(await page.content()).includes(secret));
  assert.deepEqual(page.problems, []);
  await page.context().close();
});

test("a grant is withdrawn in a dialog on the client's page", async () => {
  const client = await authority.application("Granted", app.redirect, ["documents:read"]);
  const ada = await authority.user("ada");
  await allow(chromium, authority, ada, client, "documents:read");
  const page = await operator();
  await page.goto(`/settings/oauth-clients/${client.id}`);
  await page.getByRole("link", { name: "Withdraw… ada" }).click();
  const dialog = page.getByRole("dialog", { name: "Withdraw what ada granted to Granted?" });
  await dialog.getByRole("button", { name: "Withdraw" }).click();
  await page.getByText("Grant withdrawn.").waitFor();
  await page.getByText("No user has allowed it anything.").waitFor();
  assert.ok((await authority.flint("oauth", "grants", "list")).grants.every((one) => one.revoked_at));
  assert.deepEqual(page.problems, []);
  await page.context().close();
});

test("with nothing but a keyboard a user is added and a key is rotated", async () => {
  const page = await operator({ reducedMotion: "reduce" });
  await tabTo(page, "Users");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/settings/users");
  await tabTo(page, "Add User");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/new");
  await tabTo(page, "Name");
  await page.keyboard.type("grace");
  await tabTo(page, "Add and show password");
  await page.keyboard.press("Enter");
  await page.getByText("Pass it on to grace").waitFor();
  page.once("dialog", (question) => question.accept());
  await tabTo(page, "I’ve saved it");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "grace" }).waitFor();

  await tabTo(page, "Signing keys");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/settings/signing-keys");
  await tabTo(page, "Rotate…");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog", { name: "Rotate signing key" }).waitFor();
  await tabTo(page, "Rotate key");
  await page.keyboard.press("Enter");
  await page.getByText("signs in 15 minutes").first().waitFor();
  assert.equal((await authority.flint("oauth", "keys", "list")).keys.length, 2);
  assert.deepEqual(page.problems, []);
  await page.context().close();
});

test("without scripts a public client is registered, changed and removed", async () => {
  const page = await operator({ javaScriptEnabled: false });
  await page.goto("/settings/oauth-clients/new");
  await page.getByRole("radio", { name: /^Live/ }).check();
  await page.getByRole("radio", { name: /^Public/ }).check();
  await page.getByLabel("Name", { exact: true }).fill("Plain");
  await page.getByLabel("Redirect URIs").fill("com.example.app:/callback");
  await page.getByRole("radio", { name: /^Full access/ }).check();
  await page.getByRole("button", { name: "Register client" }).click();
  await page.getByText("It has no secret to save.").waitFor();
  await page.getByRole("link", { name: "Edit" }).click();
  await page.getByLabel("Access token").fill("2m");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Saved.").waitFor();
  await page.getByText("2m", { exact: true }).waitFor();
  await page.getByRole("link", { name: "Remove…" }).click();
  await page.getByRole("button", { name: "Remove" }).click();
  await page.getByText("Client removed.").waitFor();
  await page.context().close();
});

test("without an issuer the pages say how to have one", async () => {
  const plain = await Authority.start([]);
  const page = await visit(chromium, plain);
  try {
    await signIn(page, plain);
    for (const path of ["oauth-clients", "users", "signing-keys"]) {
      await page.goto(`/settings/${path}`);
      await page.getByText("flint serve --issuer https://auth.example.com").waitFor();
      assert.deepEqual(await violations(page), [], path);
    }
  } finally {
    await page.context().close();
    await plain.stop();
  }
});
