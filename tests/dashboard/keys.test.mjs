// The life of a key, as a person lives it with a mouse and a keyboard.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { eventually, violations } from "./harness.mjs";
import { authority, operator, stage } from "./stage.mjs";

stage();

/// Settings → API Keys → Generate New Key, up to the page that reveals it.
async function generate(page, name, environment = "Live") {
  await page.goto("/settings");
  await page.getByRole("navigation", { name: "Settings" }).getByRole("link", { name: "API Keys" }).click();
  await page.getByRole("link", { name: "Generate New Key" }).first().click();
  await page.getByRole("radio", { name: new RegExp(`^${environment}`) }).check();
  await page.getByLabel("Name", { exact: true }).fill(name);
  await page.getByRole("radiogroup", { name: "Access to documents" }).getByLabel("Read", { exact: true }).check();
  await page.getByRole("button", { name: "Generate key" }).click();
  await page.getByText("This is shown only once.").waitFor();
}

const secretOf = async (page) => {
  await page.getByRole("button", { name: "Show" }).click();
  return page.locator("[data-value]").textContent();
};

test("a key is generated as documented, masked, shown, copied and downloaded", async () => {
  const page = await operator({ permissions: ["clipboard-read", "clipboard-write"] });
  await page.getByText("No API keys yet").waitFor();
  assert.deepEqual(await violations(page), [], "the empty list");
  await generate(page, "Checkout, Frankfurt");
  assert.deepEqual(await violations(page), [], "the revealed key");

  const value = page.locator("[data-value]");
  assert.match(await value.textContent(), /^flint_live_\w{4}…\w{4}$/);
  const secret = await secretOf(page);
  assert.match(secret, /^flint_live_\w{28}$/);
  assert.ok((await page.locator("#tab-curl").textContent()).includes(`Authorization: Bearer ${secret}`));
  await page.getByRole("button", { name: "Hide" }).click();
  assert.ok(!(await page.locator("main").innerText()).includes(secret), "still to be seen");

  await page.getByRole("button", { name: "Copy" }).click();
  await page.getByText("Copied to the clipboard.").waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), secret);

  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("link", { name: "Download .env" }).click(),
  ]);
  assert.equal(await readFile(await download.path(), "utf8"), `FLINT_API_KEY=${secret}\n`);

  await page.getByRole("tab", { name: "curl" }).focus();
  await page.keyboard.press("ArrowRight");
  assert.ok(await page.locator("#tab-javascript").isVisible());
  assert.ok(!(await page.locator("#tab-curl").isVisible()));
  await page.keyboard.press("ArrowRight");
  assert.ok((await page.locator("#tab-python").textContent()).includes("requests.get("));

  await page.getByRole("link", { name: "I’ve saved it" }).click();
  await page.getByRole("heading", { name: "Checkout, Frankfurt" }).waitFor();
  assert.ok(!(await page.content()).includes(secret));
  assert.deepEqual(page.problems, []);
  await page.context().close();
});

test("a secret that nobody kept is not lost without a question, and a reload makes no second key", async () => {
  const page = await operator();
  await generate(page, "Guarded", "Test");
  const asked = [];
  page.on("dialog", (dialog) => {
    asked.push(dialog.type());
    dialog.accept();
  });
  const before = (await authority.flint("keys", "list")).keys.length;
  await page.getByRole("button", { name: "Show" }).click(); // a page is only guarded once somebody has touched it
  await page.reload();
  await page.getByText("This form was already submitted").waitFor();
  assert.deepEqual(asked, ["beforeunload"]);
  assert.equal((await authority.flint("keys", "list")).keys.length, before);
  await page.context().close();
});

test("a clipboard that fails is told, and the key is shown instead", async () => {
  const page = await operator();
  await page.addInitScript(() => {
    navigator.clipboard.writeText = () => Promise.reject(new Error("no"));
  });
  await generate(page, "Clipboard", "Test");
  await page.getByRole("button", { name: "Copy" }).click();
  await page.getByText("did not allow copying").waitFor();
  assert.match(await page.evaluate(() => getSelection().toString()), /^flint_test_\w{28}$/);
  await page.context().close();
});

test("mistakes stand beside their fields, and what was typed stays", async () => {
  const page = await operator();
  await page.goto("/settings/api-keys/new");
  await page.getByRole("radio", { name: /^Test/ }).check();
  await page.getByLabel("Name", { exact: true }).fill("  Odd 🦀 name  ");
  await page.getByLabel("Owner").fill("two words");
  await page.getByLabel("Allowed addresses").fill("10.0.0.1/8");
  const generate = page.getByRole("button", { name: "Generate key" });
  assert.ok(await generate.isDisabled(), "a key without a chosen permission");
  assert.equal(await page.locator("[data-missing]").textContent(), "Still to do: choose a permission.");
  assert.deepEqual(await violations(page), [], "what is still to do");
  await page.getByRole("radiogroup", { name: "Access to documents" }).getByLabel("Read", { exact: true }).check();
  assert.ok(!(await page.locator("[data-missing]").isVisible()));
  await generate.click();
  const summary = page.locator("#errors");
  await summary.waitFor();
  assert.ok(await summary.evaluate((one) => one === document.activeElement), "the focus is not on the list of mistakes");
  assert.equal(await summary.getByRole("link").count(), 2);
  assert.match(await page.locator("#cidrs-error").textContent(), /Entry 1 must be an address/);
  assert.match(await page.locator("#owner-error").textContent(), /without spaces/);
  assert.equal(await page.getByLabel("Name", { exact: true }).inputValue(), "Odd 🦀 name");
  assert.deepEqual(await violations(page), []);
  await page.context().close();
});

test("full access warns, and only the chosen preset shows the grid", async () => {
  const page = await operator();
  await page.goto("/settings/api-keys/new");
  const grid = page.locator(".when-chosen");
  assert.ok(await grid.isVisible());
  await page.getByRole("radio", { name: /^Full access/ }).check();
  assert.ok(await page.getByText("If it leaks, so can anyone who finds it").isVisible());
  assert.ok(!(await grid.isVisible()));
  await page.getByRole("radio", { name: /^Read only/ }).check();
  assert.ok(!(await page.getByText("If it leaks, so can anyone who finds it").isVisible()));
  const date = page.getByLabel("Last day");
  assert.ok(!(await date.isVisible()));
  await page.getByLabel("Expires").selectOption("date");
  assert.ok(await date.isVisible());
  await page.context().close();
});

test("a key is rotated in a dialog, and both keys tell when they were last used", async () => {
  const page = await operator();
  const old = await authority.key("Rotated", "live");
  await page.goto(`/settings/api-keys/${old.id}`);
  await page.getByRole("link", { name: "Rotate…" }).click();
  const dialog = page.getByRole("dialog", { name: /^Rotate Rotated/ });
  await dialog.waitFor();
  assert.ok(await dialog.getByRole("radio", { name: /^24 hours/ }).isChecked());
  await dialog.getByRole("radio", { name: /^1 hour/ }).check();
  await dialog.getByRole("button", { name: "Rotate key" }).click();
  await page.getByText("The new key replaces").waitFor();
  assert.notEqual(await secretOf(page), old.secret);
  assert.deepEqual(await violations(page), []);
  page.once("dialog", (question) => question.accept());
  await page.getByRole("link", { name: "Rotated", exact: true }).click();
  await page.getByText("Revoke old key now…").waitFor();
  assert.equal(await page.getByText("New key, last used").count(), 1);
  assert.equal(await page.getByText("Superseded").count(), 1);
  await page.context().close();
});

test("a key is revoked by its typed name, and each gateway is seen to refuse it", async () => {
  const page = await operator();
  const key = await authority.key("Leaked", "live");
  const [edge, west] = [await authority.gateway("edge", "envoy-1"), await authority.gateway("west", "envoy-2")];
  await Promise.all([edge.follow(), west.follow()]);
  const now = Math.floor(Date.now() / 1000);
  await edge.report([{ key_id: key.id, outcome: "allowed", count: 3, last_used: now }]);
  await page.goto(`/settings/api-keys/${key.id}`);
  // The report is added up, and what the gateways have applied is written down, a moment after they came.
  await eventually(async () => {
    await page.reload();
    const known = await page.getByText("Applied by 2 of 2 gateway processes").count();
    return known === 1 && (await page.getByText("Never used").count()) === 0;
  });
  await page.getByRole("link", { name: "Revoke…" }).click();
  const dialog = page.getByRole("dialog", { name: /^Revoke Leaked/ });
  await dialog.waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Cancel");
  await dialog.getByText("This key is in use").waitFor();
  const button = dialog.getByRole("button", { name: "Revoke permanently" });
  assert.ok(await button.isDisabled());
  await dialog.getByLabel(/^Type Leaked/).fill("leaked");
  assert.ok(await button.isDisabled());
  await dialog.getByLabel(/^Type Leaked/).fill("Leaked");
  await button.click();
  await page.getByText("Refused by 0 of 2 gateway processes").waitFor();
  assert.deepEqual(await violations(page), []);
  await edge.follow();
  await page.getByText("Refused by 1 of 2 gateway processes").waitFor();
  await west.follow();
  await page.getByText("Refused by 2 of 2 gateway processes").waitFor();
  assert.deepEqual(await violations(page), []);
  assert.deepEqual(page.problems, []);
  await page.context().close();
});

test("the list is searched while typing, and the address says what is shown", async () => {
  const page = await operator();
  await authority.key("Needle in the hay", "test", "--owner", "org_9");
  await page.goto("/settings/api-keys");
  await page.getByRole("searchbox", { name: "Search" }).pressSequentially("NEEDLE");
  await page.getByText(/^1 key/).waitFor();
  await page.waitForURL("**/settings/api-keys?q=NEEDLE");
  await page.reload();
  assert.equal(await page.locator("table.keys tbody tr").count(), 1);
  await page.getByLabel("Status").selectOption("revoked");
  await page.getByText("No results").waitFor();
  await page.getByRole("link", { name: "clear filters" }).click();
  await page.waitForURL("**/settings/api-keys");
  await page.getByRole("navigation", { name: "Environment" }).getByRole("link", { name: "Test" }).click();
  await page.waitForURL("**?environment=test");
  assert.equal(await page.locator("table.keys .env.live").count(), 0);
  await page.getByRole("link", { name: "Generate New Key" }).click();
  assert.ok(await page.getByRole("radio", { name: /^Test/ }).isChecked());
  await page.context().close();
});

test("somebody else's change is told, and nothing typed is lost", async () => {
  const [page, other] = [await operator(), await operator()];
  const key = await authority.key("Both", "test");
  const path = `/settings/api-keys/${key.id}/edit`;
  await Promise.all([page.goto(path), other.goto(path)]);
  for (const [who, name] of [[other, "Theirs"], [page, "Mine"]]) {
    await who.getByLabel("Name", { exact: true }).fill(name);
    await who.getByRole("button", { name: "Save" }).click();
  }
  await other.getByText("Saved.").waitFor();
  await page.getByRole("alert").getByText("Someone else changed this key").waitFor();
  assert.equal(await page.getByLabel("Name", { exact: true }).inputValue(), "Mine");
  assert.deepEqual(await violations(page), []);
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("heading", { name: "Mine" }).waitFor();
  await page.context().close();
  await other.context().close();
});
