// What a file of tests plays on: one authority and one browser, from its first test to its last.

import { after, before } from "node:test";
import { Authority, browser, signIn, visit } from "./harness.mjs";

/// There once the tests run.
export let authority, chromium;

/// Sets them up, and away again; `prepare` comes between that and the tests.
export function stage(prepare = async () => {}) {
  before(async () => {
    [authority, chromium] = await Promise.all([Authority.start(), browser()]);
    await prepare();
  });

  after(async () => {
    await chromium.close();
    await authority.stop();
  });
}

/// A page on which the first operator is signed in.
export async function operator(options) {
  const page = await visit(chromium, authority, options);
  await signIn(page, authority);
  return page;
}
