// The pictures of users' pages and of the settings of OAuth.

import { allow, application, request, signIn, signInUser, visit } from "./harness.mjs";

/// Takes them. The catalogue has been filled.
export async function oauth(chromium, authority, shoot) {
  const client = await authority.application("Ledgerly", "https://app.ledgerly.example/callback", [
    "invoices:*",
    "payments:read",
  ]);
  await authority.application("Mobile app", "com.example.mobile:/callback", ["documents:read"], "live", "--public");
  const ada = await authority.user("ada@acme.example");
  await authority.user("grace@acme.example", "--permission", "documents:*");
  const options = { viewport: { width: 1280, height: 860 }, reducedMotion: "reduce", colorScheme: "light" };
  const page = await visit(chromium, authority, options);
  await page.goto(request(client, "invoices:read invoices:write payments:read"));
  await signInUser(page, ada);
  await page.getByRole("heading", { name: "Allow Ledgerly?" }).waitFor();
  await shoot(page, "consent");
  // Nobody is there: the browser says so, and what was granted stays.
  await page.getByRole("button", { name: "Allow" }).click();
  await page.waitForURL("chrome-error://**");
  await page.goto("/account/apps");
  await page.getByRole("heading", { name: "Ledgerly" }).waitFor();
  await shoot(page, "apps");
  await page.context().close();
  await settings(chromium, authority, shoot, ada);
}

async function settings(chromium, authority, shoot, ada) {
  const app = await application();
  const client = await authority.application("Timesheets", app.redirect, ["documents:*", "payments:read"]);
  await allow(chromium, authority, ada, client, "documents:read payments:read");
  app.stop();
  const options = { viewport: { width: 1280, height: 860 }, reducedMotion: "reduce", colorScheme: "light" };
  const page = await visit(chromium, authority, options);
  await signIn(page, authority);
  await page.goto(`/settings/oauth-clients/${client.id}`);
  await shoot(page, "oauth-client");
  await page.context().close();
}
