// Without scripts, and without a mouse.

import assert from "node:assert/strict";
import { test } from "node:test";
import { violations, visit } from "./harness.mjs";
import { tabTo } from "./keyboard.mjs";
import { authority, chromium, operator, stage } from "./stage.mjs";

stage();

test("without scripts a key is made, found, rotated and revoked", async () => {
  const page = await operator({ javaScriptEnabled: false });
  await page.getByRole("link", { name: "Generate New Key" }).first().click();
  await page.getByRole("radio", { name: /^Live/ }).check();
  await page.getByLabel("Name", { exact: true }).fill("Plain");
  await page.getByRole("radio", { name: /^Full access/ }).check();
  await page.getByRole("button", { name: "Generate key" }).click();
  const secret = await page.locator("noscript code.secret").textContent();
  assert.match(secret, /^flint_live_\w{28}$/);
  assert.ok(await page.locator("noscript code.secret").isVisible());
  assert.ok(!(await page.getByRole("button", { name: "Copy" }).isVisible()), "a button that does nothing");
  for (const tab of ["curl", "JavaScript", "Python"]) {
    assert.ok(await page.getByRole("heading", { name: tab }).isVisible());
  }

  await page.goto("/settings/api-keys");
  await page.getByRole("searchbox", { name: "Search" }).fill("plain");
  await page.getByRole("button", { name: "Apply" }).click();
  await page.waitForURL("**q=plain**");
  await page.getByLabel("Actions for Plain").click();
  await page.getByRole("link", { name: "Rotate…" }).click();
  await page.getByRole("button", { name: "Rotate key" }).click();
  assert.ok(await page.locator("noscript code.secret").isVisible());

  await page.goto("/settings/api-keys?sort=created");
  await page.getByRole("link", { name: "Plain" }).first().click();
  await page.getByRole("link", { name: "Revoke old key now…" }).click();
  await page.getByLabel(/^Type Plain/).fill("plain");
  await page.getByRole("button", { name: "Revoke permanently" }).click();
  await page.getByText("Type the name exactly as it is shown.").first().waitFor();
  await page.getByLabel(/^Type Plain/).fill("Plain");
  await page.getByRole("button", { name: "Revoke permanently" }).click();
  await page.getByText("Key revoked.").waitFor();
  await page.locator(".who summary").click();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByText("You are signed out.").waitFor();
  await page.context().close();
});

test("with nothing but a keyboard a key is made and revoked", async () => {
  const page = await visit(chromium, authority, { reducedMotion: "reduce" });
  await page.goto("/sign-in");
  assert.equal(await page.evaluate(() => document.activeElement.id), "name");
  await page.keyboard.type(authority.admin.name);
  await page.keyboard.press("Tab");
  await page.keyboard.type(authority.admin.password);
  await page.keyboard.press("Enter");
  await page.waitForURL("**/settings/api-keys");

  await tabTo(page, "Skip to content", 1);
  await page.keyboard.press("Enter");
  await tabTo(page, "Generate New Key", 3);
  await page.keyboard.press("Enter");
  await page.waitForURL("**/new");
  await tabTo(page, "TestThe sandbox only");
  await page.keyboard.press("Space");
  await tabTo(page, "Name");
  await page.keyboard.type("By keyboard");
  await tabTo(page, "Chosen permissions");
  await page.keyboard.press("ArrowDown");
  await tabTo(page, "Generate key");
  await page.keyboard.press("Enter");
  await page.getByText("This is shown only once.").waitFor();
  await tabTo(page, "Show");
  await page.keyboard.press("Space");
  assert.match(await page.locator("[data-value]").textContent(), /^flint_test_/);
  page.once("dialog", (question) => question.accept());
  await tabTo(page, "I’ve saved it");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "By keyboard" }).waitFor();

  await tabTo(page, "Revoke…");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Cancel");
  // The dialog keeps the focus, then gives it back.
  for (let count = 0; count < 12; count += 1) {
    await page.keyboard.press("Tab");
    const where = await page.evaluate(() => {
      const one = document.activeElement;
      return one === document.body || one.closest("dialog") !== null;
    });
    assert.ok(where, "the focus leaves the dialog");
  }
  await page.keyboard.press("Escape");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Revoke…");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await tabTo(page, "Type By keyboard");
  await page.keyboard.type("By keyboard");
  await page.keyboard.press("Enter");
  await page.getByText("Key revoked.").waitFor();
  assert.deepEqual(await violations(page), []);
  assert.deepEqual(page.problems, []);
  await page.context().close();
});

test("a session that has ended leads to the form to sign in, and back", async () => {
  const page = await visit(chromium, authority);
  await page.goto("/settings/audit?action=key.");
  assert.match(page.url(), /\/sign-in\?next=/);
  await page.getByLabel("Name").fill(authority.admin.name);
  await page.getByLabel("Password").fill("not the password");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("alert").getByText("Wrong name or password.").waitFor();
  assert.deepEqual(await violations(page), []);
  await page.getByLabel("Password").fill(authority.admin.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL("**/settings/audit?action=key.");
  const [cookie] = (await page.context().cookies()).filter((one) => one.name === "__Host-flint_session");
  assert.deepEqual([cookie.secure, cookie.httpOnly, cookie.sameSite, cookie.path], [true, true, "Lax", "/"]);
  await page.context().close();
});

test("the log and the activity are downloaded as files", async () => {
  const page = await operator();
  for (const [path, name] of [["/settings/audit", "audit.csv"], ["/settings/activity", "activity.csv"]]) {
    await page.goto(path);
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("link", { name: "Export as CSV" }).click(),
    ]);
    assert.equal(download.suggestedFilename(), name);
  }
  await page.context().close();
});
