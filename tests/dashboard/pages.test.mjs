// Every page and dialog, in both themes: nothing that axe finds, nothing on the console, nothing too wide.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { allow, application, signIn, violations, visit } from "./harness.mjs";
import { seed } from "./seed.mjs";
import { authority, chromium, operator, stage } from "./stage.mjs";

let seeded, pages, app, client, user;

stage(async () => {
  seeded = await seed(authority);
  await authority.flint("tokens", "create", "--name", "Nightly job", "--permission", "keys:read");
  await authority.flint("operators", "create", "grace");
  app = await application();
  client = await authority.application("Example App", app.redirect, ["documents:read", "payments:read"]);
  const mobile = await authority.application("Mobile app", "com.example.app:/callback", ["*"], "test", "--public");
  user = await authority.user("ada");
  await allow(chromium, authority, user, client, "documents:read payments:read");
  const { keys } = seeded;
  const [gateway] = (await authority.flint("gateways", "list")).gateways;
  const [token] = (await authority.flint("tokens", "list")).api_tokens;
  const grace = (await authority.flint("operators", "list")).operators.find((one) => one.name === "grace");
  pages = {
    list: "/settings/api-keys",
    "list of test keys": "/settings/api-keys?environment=test",
    "list, nothing found": "/settings/api-keys?q=nothing-like-it",
    "list by owner": "/settings/api-keys?owner=org_7&sort=expires",
    create: "/settings/api-keys/new?environment=live",
    key: `/settings/api-keys/${keys.checkout.id}?range=30d`,
    "revoked key": `/settings/api-keys/${keys.leaked.id}`,
    "rotated key": `/settings/api-keys/${keys.partner.id}?range=90d`,
    edit: `/settings/api-keys/${keys.checkout.id}/edit`,
    rotate: `/settings/api-keys/${keys.checkout.id}/rotate`,
    revoke: `/settings/api-keys/${keys.checkout.id}/revoke`,
    activity: "/settings/activity?range=30d",
    "activity of an owner": "/settings/activity?owner=org_7&range=24h",
    audit: "/settings/audit",
    gateways: "/settings/gateways",
    "rotate a gateway's token": `/settings/gateways/${gateway.id}/rotate`,
    "revoke a gateway": `/settings/gateways/${gateway.id}/revoke`,
    permissions: "/settings/permissions",
    "withdraw a permission": "/settings/permissions/documents:read/withdraw",
    tokens: "/settings/api-tokens",
    "revoke a token": `/settings/api-tokens/${token.id}/revoke`,
    operators: "/settings/operators",
    "new password for an operator": `/settings/operators/${grace.id}/password`,
    "disable an operator": `/settings/operators/${grace.id}/disable`,
    clients: "/settings/oauth-clients",
    "new client": "/settings/oauth-clients/new",
    client: `/settings/oauth-clients/${client.id}`,
    "public client": `/settings/oauth-clients/${mobile.id}`,
    "edit a client": `/settings/oauth-clients/${client.id}/edit`,
    "rotate a client's secret": `/settings/oauth-clients/${client.id}/rotate`,
    "disable a client": `/settings/oauth-clients/${client.id}/disable`,
    "remove a client": `/settings/oauth-clients/${client.id}/remove`,
    users: "/settings/users",
    "new user": "/settings/users/new",
    user: `/settings/users/${user.id}`,
    "permissions of a user": `/settings/users/${user.id}/edit`,
    "password of a user": `/settings/users/${user.id}/password`,
    "disable a user": `/settings/users/${user.id}/disable`,
    "signing keys": "/settings/signing-keys",
    "rotate the signing key": "/settings/signing-keys/rotate",
    "audit log of OAuth": "/settings/audit?action=oauth.",
    "no such page": "/settings/nothing",
  };
});

after(() => app.stop());

for (const colorScheme of ["light", "dark"]) {
  test(`pages, ${colorScheme}`, async (t) => {
    const page = await visit(chromium, authority, { colorScheme });
    await page.goto("/sign-in");
    assert.deepEqual(await violations(page), [], "sign in");
    await signIn(page, authority);
    for (const [name, path] of Object.entries(pages)) {
      await t.test(name, async () => {
        await page.goto(path);
        await page.evaluate(() => {
          for (const more of document.querySelectorAll("main details.more")) more.open = true;
        });
        assert.deepEqual(await violations(page), []);
        assert.deepEqual(page.problems, []);
      });
    }
    await page.context().close();
  });

  test(`menus and dialogs, ${colorScheme}`, async (t) => {
    const page = await operator({ colorScheme, reducedMotion: "reduce" });
    const dialogs = [
      [`/settings/api-keys/${seeded.keys.checkout.id}`, "Rotate…"],
      [`/settings/api-keys/${seeded.keys.checkout.id}`, "Revoke…"],
      ["/settings/gateways", /^Rotate token…/],
      ["/settings/gateways", /^Revoke…/],
      ["/settings/permissions", /^Remove…/],
      ["/settings/api-tokens", /^Revoke…/],
      ["/settings/operators", /^Reset password…/],
      ["/settings/operators", /^Disable…/],
      [`/settings/oauth-clients/${client.id}`, /^Rotate secret…/],
      [`/settings/oauth-clients/${client.id}`, /^Disable…/],
      [`/settings/oauth-clients/${client.id}`, /^Remove…/],
      [`/settings/oauth-clients/${client.id}`, /^Withdraw…/],
      [`/settings/users/${user.id}`, /^Set password…/],
      [`/settings/users/${user.id}`, /^Withdraw…/],
      ["/settings/signing-keys", /^Rotate…/],
    ];
    for (const [path, name] of dialogs) {
      await t.test(`${path} ${name}`, async () => {
        await page.goto(path);
        const opener = page.getByRole("link", { name }).first();
        await opener.click();
        await page.locator("dialog[open]").waitFor();
        assert.deepEqual(await violations(page), []);
        await page.keyboard.press("Escape");
        await page.locator("dialog").waitFor({ state: "detached" });
        assert.ok(await opener.evaluate((link) => link === document.activeElement), "the focus does not come back");
      });
    }
    await t.test("menus", async () => {
      await page.goto("/settings/api-keys");
      await page.locator(".row-menu summary").first().click();
      assert.deepEqual(await violations(page), []);
      await page.locator(".who summary").click();
      assert.equal(await page.locator("details.pop[open]").count(), 1, "two menus are open");
      assert.deepEqual(await violations(page), []);
      await page.keyboard.press("Escape");
      assert.equal(await page.locator("details.pop[open]").count(), 0);
    });
    await page.context().close();
  });
}

test("nothing is wider than its window, from 320 pixels or 200 % on", async (t) => {
  for (const width of [320, 640, 970, 1100, 1200, 1280, 1440]) {
    const viewport = { width, height: 640 };
    const page = await operator({ viewport });
    for (const [name, path] of Object.entries(pages)) {
      await t.test(`${name}, ${width}`, async () => {
        await page.goto(path);
        const needed = await page.evaluate(() => document.documentElement.scrollWidth);
        assert.ok(needed <= width, `${needed} pixels`);
        if (width === 320) assert.deepEqual(await violations(page), []);
      });
    }
    await page.context().close();
  }
});

test("the switch of the theme wins over the system, and stays", async () => {
  const page = await operator({ colorScheme: "dark" });
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await background();
  await page.locator(".who summary").click();
  await page.getByRole("button", { name: "Light" }).click();
  await page.waitForURL("**/settings/api-keys");
  const light = await background();
  assert.notEqual(dark, light);
  await page.goto("/settings/audit");
  assert.equal(await background(), light);
  assert.deepEqual(await violations(page), []);
  await page.context().close();
});
