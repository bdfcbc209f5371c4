// What users see: signing in, the question whether an application may act for them, and what they allowed.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { application, request, signInUser, violations, visit } from "./harness.mjs";
import { authority, chromium, stage } from "./stage.mjs";
import { tabTo } from "./keyboard.mjs";

let app, client, everything, sandbox, ada;

stage(async () => {
  for (const [name, about] of [
    ["documents:read", "See your documents"],
    ["documents:write", "Change your documents"],
    ["payments:read", "See payments"],
  ]) {
    await authority.flint("permissions", "offer", name, "--description", about);
  }
  app = await application();
  client = await authority.application("Example App", app.redirect, ["documents:*", "payments:read", "reports:*"]);
  everything = await authority.application("Archive", app.redirect, ["*"]);
  sandbox = await authority.application("Trial", app.redirect, ["documents:read"], "test");
  ada = await authority.user("ada");
});

after(() => app.stop());

/// A window in which a user is signed in.
async function user(options) {
  const page = await visit(chromium, authority, options);
  await page.goto("/account/apps");
  await signInUser(page, ada);
  await page.waitForURL("**/account/apps");
  return page;
}

for (const colorScheme of ["light", "dark"]) {
  test(`pages of users, ${colorScheme}`, async (t) => {
    const page = await visit(chromium, authority, { colorScheme });
    const fine = async () => {
      assert.deepEqual(await violations(page), []);
      assert.deepEqual(page.problems, []);
    };
    await t.test("signing in, for an application", async () => {
      await page.goto(request(client, "documents:read"));
      await page.getByText("to continue to Example App").waitFor();
      await fine();
      await signInUser(page, { name: "ada", password: "not the password" });
      await page.getByRole("alert").getByText("Wrong name or password.").waitFor();
      await page.getByText("to continue to Example App").waitFor();
      await fine();
    });
    for (const [name, of, scope] of [
      ["one permission", () => client, "documents:read"],
      ["several, and some that nobody described", () => client, "documents:read documents:write reports:read"],
      ["everything", () => everything, "*"],
      ["test data", () => sandbox, "documents:read"],
    ]) {
      await t.test(`consent, ${name}`, async () => {
        await page.goto(request(of(), scope));
        if (name === "one permission") await signInUser(page, ada);
        await page.getByRole("heading", { name: /^Allow/ }).waitFor();
        await fine();
      });
    }
    await t.test("apps, none and some", async () => {
      await page.goto("/account/apps");
      await fine();
      await page.goto(request(client, "documents:read payments:read"));
      await page.getByRole("button", { name: "Allow" }).click();
      await page.getByText("Back at the application").waitFor();
      await page.goto("/account/apps");
      await page.getByRole("heading", { name: "Example App" }).waitFor();
      await fine();
      await page.getByRole("button", { name: "Withdraw Example App" }).click();
      await page.getByText("Withdrawn.").waitFor();
      await fine();
    });
    await t.test("a mistake of the application", async () => {
      await page.goto(request({ ...client, redirect_uris: ["https://evil.example/"] }, "documents:read"));
      await page.getByRole("heading", { name: "This request cannot be answered" }).waitFor();
      assert.equal(await page.getByRole("link").count(), 0, "it leads somewhere");
      await fine();
    });
    await t.test("signed out", async () => {
      await page.goto("/account/apps");
      await page.getByRole("button", { name: "Sign out" }).click();
      await page.getByText("You are signed out.").waitFor();
      await fine();
    });
    await page.context().close();
  });
}

test("no page of users is wider than its window", async () => {
  for (const width of [320, 640, 1280]) {
    const page = await user({ viewport: { width, height: 640 } });
    for (const path of [request(client, "documents:read documents:write reports:read"), "/account/apps"]) {
      await page.goto(path);
      const needed = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(needed <= width, `${path}: ${needed} pixels of ${width}`);
      if (width === 320) assert.deepEqual(await violations(page), []);
    }
    await page.context().close();
  }
});

test("the question says who asks, for what, for what not, and where it leads", async () => {
  const page = await user();
  await page.goto(request(client, "documents:read reports:read"));
  const text = await page.locator("main").innerText();
  for (const part of ["Example App", "api.example.com", "127.0.0.1", "ada", "See your documents", "reports:read"]) {
    assert.ok(text.includes(part), `${part} is not in ${text}`);
  }
  const not = await page.locator(".withheld").innerText();
  for (const part of ["Change your documents", "See payments", "Your password"]) assert.ok(not.includes(part), not);
  assert.ok(!not.includes("See your documents"), not);
  await page.context().close();
});

test("with nothing but a keyboard a user signs in, allows, refuses and withdraws", async () => {
  const page = await visit(chromium, authority, { reducedMotion: "reduce" });
  await page.goto(request(client, "documents:read payments:read"));
  assert.equal(await page.evaluate(() => document.activeElement.id), "name");
  await page.keyboard.type("ada");
  await page.keyboard.press("Tab");
  await page.keyboard.type(ada.password);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Allow Example App?" }).waitFor();
  await tabTo(page, "See payments");
  await page.keyboard.press("Space");
  await tabTo(page, "Deny");
  await tabTo(page, "Allow");
  await page.keyboard.press("Enter");
  await page.waitForURL(`${app.redirect}?code=flint_code_*&state=xyz&iss=https*`);

  await page.goto("/account/apps");
  await page.getByText("See your documents").waitFor();
  assert.equal(await page.getByText("See payments").count(), 0, "what was unticked");
  await tabTo(page, "Withdraw Example App");
  await page.keyboard.press("Enter");
  await page.getByText("Withdrawn.").waitFor();
  await page.getByText("No apps").waitFor();

  await page.goto(request(client, "documents:read"));
  await tabTo(page, "Deny");
  await page.keyboard.press("Enter");
  await page.waitForURL(`${app.redirect}?error=access_denied&**`);
  assert.deepEqual(page.problems, [], "something was refused by the browser");
  await page.context().close();
});

test("without scripts too, and Enter in the list of permissions allows nothing", async () => {
  const page = await user({ javaScriptEnabled: false });
  await page.goto(request(client, "documents:read"));
  await page.getByRole("checkbox").focus();
  await page.keyboard.press("Enter");
  await page.waitForURL(`${app.redirect}?error=access_denied&**`);
  await page.goto(request(client, "documents:read"));
  await page.getByRole("button", { name: "Allow" }).click();
  await page.waitForURL(`${app.redirect}?code=**`);
  await page.goto("/account/apps");
  await page.getByRole("button", { name: "Withdraw Example App" }).click();
  await page.getByText("Withdrawn.").waitFor();
  await page.context().close();
});

test("somebody else signs in without losing the request", async () => {
  const eve = await authority.user("eve", "--permission", "documents:read");
  const page = await user();
  await page.goto(request(client, "documents:read payments:read"));
  await page.getByRole("button", { name: "Use another account" }).click();
  await page.getByText("to continue to Example App").waitFor();
  await signInUser(page, eve);
  await page.getByRole("heading", { name: "Allow Example App?" }).waitFor();
  assert.equal(await page.getByRole("checkbox").count(), 1);
  await page.getByText("more than you hold yourself").waitFor();
  await page.context().close();
});
