// The list of keys, page by page and in its orders, and what a page shows that came after it.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { eventually, violations } from "./harness.mjs";
import { authority, operator, stage } from "./stage.mjs";

stage();

const names = (page) => page.locator("table.keys tbody .key-name").allTextContents();

test("a gateway that is heard of first while a key's page is open shows by itself", async () => {
  const page = await operator();
  const key = await authority.key("Early", "live");
  await page.goto(`/settings/api-keys/${key.id}`);
  await page.getByText("No gateway has connected").waitFor();
  await (await authority.gateway("edge", "envoy-1")).follow();
  await page.getByText("Applied by 1 of 1 gateway process").waitFor();
  // All is told: the page looks no more.
  assert.equal(await page.locator("#effect").getAttribute("data-live"), "false");
  assert.deepEqual(page.problems, []);
  await page.context().close();
});

test("the list is turned to the next page, and back", async () => {
  const all = Array.from({ length: 120 }, (_, number) => `Row ${String(number).padStart(3, "0")}`);
  const digest = (name) => createHash("sha256").update(name).digest("hex");
  const file = join(authority.directory, "rows.csv");
  const lines = all.map((name) => `${digest(name)},${name},test`);
  await writeFile(file, ["sha256,name,environment", ...lines].join("\n"));
  await authority.flint("keys", "import", file);
  for (const javaScriptEnabled of [true, false]) {
    const page = await operator({ javaScriptEnabled });
    const turn = async (name) => {
      const link = page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name });
      const address = new URL(await link.getAttribute("href"), page.url()).href;
      await link.click();
      await page.waitForURL(address);
      return names(page);
    };
    await page.goto("/settings/api-keys?environment=test&sort=name");
    const first = await names(page);
    assert.deepEqual(first, all.slice(0, first.length));
    assert.equal(await page.getByRole("link", { name: "Previous page" }).count(), 0);
    const second = await turn("Next page");
    assert.deepEqual(second, all.slice(first.length, 2 * first.length));
    const third = await turn("Next page");
    assert.deepEqual(third, all.slice(2 * first.length));
    assert.equal(await page.getByRole("link", { name: "Next page" }).count(), 0);
    assert.deepEqual(await turn("Previous page"), second);
    assert.deepEqual(await turn("Previous page"), first);
    assert.equal(await page.getByRole("link", { name: "Previous page" }).count(), 0);
    assert.deepEqual(await turn("Next page"), second);
    assert.deepEqual(await turn("First page"), first);
    if (javaScriptEnabled) assert.deepEqual(await violations(page), []);
    assert.deepEqual(page.problems, []);
    await page.context().close();
  }
});

test("the list is sorted by last use", async () => {
  const page = await operator();
  const [lately, earlier, never] = [
    await authority.key("Used lately", "live", "--owner", "sorted"),
    await authority.key("Used before", "live", "--owner", "sorted"),
    await authority.key("Used never", "live", "--owner", "sorted"),
  ];
  const gateway = await authority.gateway("west", "envoy-2");
  const now = Math.floor(Date.now() / 1000);
  for (const [key, at] of [[earlier, now - 7200], [lately, now - 60]]) {
    await gateway.report([{ key_id: key.id, outcome: "allowed", count: 1, last_used: at }], at);
  }
  await page.goto("/settings/api-keys?owner=sorted");
  // A report is added up a moment after it came.
  await eventually(async () => {
    await page.reload();
    return (await page.getByText("Never used").count()) === 1;
  });
  const order = [lately, earlier, never].map((key) => key.name);
  for (const [label, expected] of [["Most recently used", order], ["Unused for longest", order.toReversed()]]) {
    await page.getByLabel("Sort by").selectOption({ label });
    await eventually(async () => String(await names(page)) === String(expected));
  }
  await page.reload();
  assert.deepEqual(await names(page), order.toReversed());
  assert.deepEqual(page.problems, []);
  await page.context().close();
});
