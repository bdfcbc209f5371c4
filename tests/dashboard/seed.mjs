// A company's worth of keys, gateways and use, for pages that have something to show.

const DAY = 86_400;

/// Fills the database of an authority; gives back the keys by what they stand for.
export async function seed(authority) {
  const keys = {};
  keys.checkout = await authority.key("Checkout service, Frankfurt", "live", "--permission", "payments:read", "--permission", "payments:write", "--permission", "orders:read", "--owner", "team-payments");
  keys.mobile = await authority.key("Mobile app backend", "live", "--permission", "documents:read", "--owner", "team-mobile");
  keys.export = await authority.key("Nightly invoice export", "live", "--permission", "documents:read", "--permission", "invoices:read", "--owner", "org_7", "--expires", "6d");
  keys.partner = await authority.key("Partner portal, Acme", "live", "--permission", "documents:*", "--owner", "org_7");
  keys.sandbox = await authority.key("Sandbox for new partners", "test", "--permission", "documents:read", "--permission", "documents:write");
  keys.ci = await authority.key("Integration tests in CI", "test", "--expires", "never");
  keys.leaked = await authority.key("Old laptop of a contractor", "live", "--permission", "documents:read", "--owner", "org_3");
  await authority.flint("keys", "revoke", keys.leaked.id, "--reason", "it leaked, or may have");
  await authority.flint("keys", "rotate", keys.partner.id);
  const edge = await authority.gateway("edge-frankfurt", "envoy-7f3a91c2");
  const second = new edge.constructor(authority, edge.token, "envoy-b04e55d8");
  const west = await authority.gateway("edge-oregon", "envoy-19c8d7aa");
  for (const process of [edge, second, west]) await process.follow();
  await use(edge, keys);
  return { keys, edge, second, west };
}

/// A week of requests, more on working days, some of them refused. (What is older counts a week ago.)
async function use(edge, keys) {
  const now = Math.floor(Date.now() / 1000);
  for (let day = 6; day >= 0; day -= 1) {
    const at = now - day * DAY - 60;
    const busy = [0.4, 1, 1.1, 1.2, 1.15, 0.95, 0.35][new Date(at * 1000).getUTCDay()];
    const entry = (key, outcome, count) => ({ key_id: key.id, outcome, count: Math.round(count * busy) + 1, last_used: at });
    const entries = [
      entry(keys.checkout, "allowed", 4200 + 37 * day),
      entry(keys.checkout, "missing_permission", day % 7 === 2 ? 310 : 12),
      entry(keys.mobile, "allowed", 9100 - 120 * day),
      entry(keys.export, "allowed", 240),
      entry(keys.partner, "allowed", 800),
      entry(keys.partner, "address_not_allowed", day < 6 ? 420 : 3),
      entry(keys.sandbox, "allowed", 60 + (day % 5) * 30),
    ];
    await edge.report(entries, at);
  }
  for (let hour = 23; hour >= 0; hour -= 1) {
    const at = now - hour * 3600 - 30;
    await edge.report(
      [
        { key_id: keys.checkout.id, outcome: "allowed", count: 150 + ((hour * 37) % 90), last_used: at },
        { key_id: keys.checkout.id, outcome: "missing_permission", count: (hour * 7) % 23, last_used: at },
      ].filter((entry) => entry.count > 0),
      at,
    );
  }
}
