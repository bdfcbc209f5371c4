//! Any bytes are a page of the key table or are refused whole; what a page has can be trusted
//! without a second look.
#![no_main]

use std::collections::HashSet;

use flint_auth::feed::page::{MAX_CURSOR, MAX_ENTRIES, Page};
use flint_auth::token::revoked::is_token;
use flint_contract::entry::{Cidr, is_id, is_owner};
use flint_contract::permission::is_grant;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(page) = Page::parse(bytes) else { return };
    assert!(page.cursor.len() <= MAX_CURSOR && page.changes.len() <= MAX_ENTRIES);
    let mut seen = HashSet::new();
    for (digest, entry) in &page.changes {
        assert!(seen.insert(*digest), "a digest changes once in a page");
        let Some(entry) = entry else { continue };
        assert!(entry.digest == *digest && (is_id(&entry.id) || is_token(entry)));
        assert!(entry.owner.as_deref().is_none_or(is_owner));
        assert!(entry.permissions.iter().all(|grant| is_grant(grant)));
        for block in entry.allowed_cidrs.iter().flatten() {
            assert!(Cidr::new(block.network(), block.prefix()).is_some() && block.contains(block.network()));
        }
    }
    // A page that is cut short is no page.
    let cut = bytes.trim_ascii_end();
    assert!(Page::parse(&cut[..cut.len() - 1]).is_err());
});
