// Takes the pictures of docs/screenshots again.

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Authority, browser, eventually, signIn, visit } from "./harness.mjs";
import { oauth } from "./screenshots-oauth.mjs";
import { seed } from "./seed.mjs";

const OUT = fileURLToPath(new URL("../../docs/screenshots/", import.meta.url));

const authority = await Authority.start();
const chromium = await browser();

async function shoot(page, name) {
  await page.evaluate(() => document.activeElement?.blur());
  await page.screenshot({ path: join(OUT, `${name}.png`) });
}

try {
  await mkdir(OUT, { recursive: true });
  for (const [name, about] of [
    ["payments:read", "See payments"],
    ["payments:write", "Make and refund payments"],
    ["orders:read", "See orders"],
    ["invoices:read", "See invoices"],
    ["invoices:write", "Make invoices"],
    ["documents:share", "Share documents with others"],
  ]) {
    await authority.flint("permissions", "offer", name, "--description", about);
  }
  const { keys, edge, second } = await seed(authority);
  const options = { viewport: { width: 1280, height: 800 }, reducedMotion: "reduce" };
  const page = await visit(chromium, authority, { ...options, colorScheme: "light" });
  await signIn(page, authority);
  await eventually(async () => {
    await page.reload();
    const used = page.locator('td[data-label="Last used"]', { hasText: /just now|second|minute/ });
    return (await used.count()) === 5;
  });
  await shoot(page, "keys");
  await page.goto("/settings/api-keys/new?environment=live");
  await page.getByLabel("Name", { exact: true }).fill("Checkout service, Dublin");
  await page.getByRole("radiogroup", { name: "Access to payments" }).getByLabel("Read and write").check();
  await page.getByRole("radiogroup", { name: "Access to orders" }).getByLabel("Read", { exact: true }).check();
  await page.setViewportSize({ width: 1280, height: 1180 });
  await page.evaluate(() => scrollTo(0, 0));
  await shoot(page, "create");
  await page.setViewportSize(options.viewport);
  await page.getByRole("button", { name: "Generate key" }).click();
  await page.getByText("This is shown only once.").waitFor();
  await shoot(page, "reveal");
  page.on("dialog", (question) => question.accept());
  await page.goto(`/settings/api-keys/${keys.checkout.id}?range=7d`);
  await shoot(page, "key");
  await page.getByRole("link", { name: "Rotate…" }).click();
  await page.getByRole("dialog").waitFor();
  await shoot(page, "rotate");

  const dark = await visit(chromium, authority, { ...options, colorScheme: "dark" });
  await signIn(dark, authority);
  await shoot(dark, "keys-dark");
  await dark.goto(`/settings/api-keys/${keys.mobile.id}`);
  await dark.getByRole("link", { name: "Revoke…" }).click();
  await dark.getByLabel(/^Type Mobile/).fill("Mobile app backend");
  await dark.getByRole("button", { name: "Revoke permanently" }).click();
  await dark.getByText("Refused by 0 of 3 gateway processes").waitFor();
  await Promise.all([edge.follow(), second.follow()]);
  await dark.getByText("Refused by 2 of 3 gateway processes").waitFor();
  await shoot(dark, "revoked-dark");

  const small = await visit(chromium, authority, { viewport: { width: 360, height: 780 }, reducedMotion: "reduce" });
  await signIn(small, authority);
  await small.locator("table.keys").scrollIntoViewIfNeeded();
  await small.evaluate(() => scrollBy(0, document.querySelector(".keys").getBoundingClientRect().top - 90));
  await shoot(small, "keys-narrow");
  await oauth(chromium, authority, shoot);
} finally {
  await chromium.close();
  await authority.stop();
}
