// Somebody without a mouse.

import assert from "node:assert/strict";

/// Presses Tab until the element with this name has the focus.
export async function tabTo(page, name, most = 60) {
  for (let count = 0; count < most; count += 1) {
    await page.keyboard.press("Tab");
    const focus = await page.evaluate(() => {
      const one = document.activeElement;
      const label = one.getAttribute("aria-label") ?? one.labels?.[0]?.textContent ?? one.textContent;
      const style = getComputedStyle(one.matches("input[type=radio].hidden") ? one.parentElement : one);
      const ring = one.nextElementSibling ? getComputedStyle(one.nextElementSibling) : style;
      return { label: label.trim(), isSeen: [style, ring].some((each) => each.outlineStyle !== "none") };
    });
    if (focus.label.startsWith(name)) {
      assert.ok(focus.isSeen, `the focus on ${name} is not seen`);
      return;
    }
  }
  assert.fail(`Tab never comes to ${name}`);
}
