// The pictures of users' pages and of the settings of OAuth.

import { request, signInUser, visit } from "./harness.mjs";

/// Takes them. The catalogue has been filled.
export async function oauth(chromium, authority, shoot) {
  const client = await authority.application("Ledgerly", "https://app.ledgerly.example/callback", [
    "invoices:*",
    "payments:read",
  ]);
  await authority.application("Mobile app", "com.example.mobile:/callback", ["documents:read"], "live", "--public");
  const ada = await authority.user("ada@acme.example");
  await authority.user("grace@acme.example", "--permission", "documents:*");
  for (const [colorScheme, suffix] of [["light", ""], ["dark", "-dark"]]) {
    const options = { viewport: { width: 1280, height: 860 }, reducedMotion: "reduce", colorScheme };
    const page = await visit(chromium, authority, options);
    await page.goto(request(client, "invoices:read invoices:write payments:read"));
    await shoot(page, `user-sign-in${suffix}`);
    await signInUser(page, ada);
    await page.getByRole("heading", { name: "Allow Ledgerly?" }).waitFor();
    await shoot(page, `consent${suffix}`);
    // Nobody is there: the browser says so, and what was granted stays.
    await page.getByRole("button", { name: "Allow" }).click();
    await page.waitForURL("chrome-error://**");
    await page.goto("/account/apps");
    await page.getByRole("heading", { name: "Ledgerly" }).waitFor();
    await shoot(page, `apps${suffix}`);
    await page.getByRole("button", { name: "Withdraw Ledgerly" }).click();
    await page.getByText("Withdrawn.").waitFor();
    await page.context().close();
  }
}
