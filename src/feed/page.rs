//! A page of the key table as a gateway reads it (contract §6): strict about the page, lenient
//! about its entries.
//!
//! 1. A page is JSON with `cursor` and `more`; `reset`, `keys`, `removed` and `revoked_tokens` may
//!    be absent. If any of them has the wrong type, the whole page is bad, and a bad page changes
//!    nothing.
//! 2. An entry that is bad is dropped and counted. If its digest can be read, what is held under it
//!    is dropped too.
//! 3. Entries apply in order: the last one for a digest wins. A digest that is also in `removed` is
//!    removed.
//! 4. A revoked token is an entry too, under a digest made of its `jti`; of several for one `jti`
//!    the last counts.
//! 5. Unknown fields are ignored, in the page and in its entries.
//! 6. What a page may cost is bounded: [`MAX_PAGE`], [`MAX_ENTRIES`], [`MAX_ENTRY`]. No memory is
//!    reserved for a number that only the page itself claims.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use flint_contract::entry::{Cidr, Entry, is_id, is_owner};
use flint_contract::key::{Digest, Environment};
use flint_contract::permission::is_grant;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::token::revoked;

/// The longest cursor that is kept, in bytes.
pub const MAX_CURSOR: usize = 4096;
/// How many bytes a page may have. The longest one of 500 entries that the authority `flint` can
/// send has 7 MiB.
pub const MAX_PAGE: usize = 16 << 20;
/// How many entries a page may have, all its lists taken together: ten times as many as are asked
/// for. So many keep the thread that polls for some 0.2 s; the lease lasts for 2.
pub const MAX_ENTRIES: usize = 5_000;
/// How many bytes of JSON an entry of a key may have; a longer one is a bad entry. Every request
/// for a key copies what stands in the same shard.
pub const MAX_ENTRY: usize = 256 << 10;

/// A good page.
#[derive(Debug, Default, PartialEq)]
pub struct Page {
    /// What goes back with the next call.
    pub cursor: String,
    /// There is more to be had at once.
    pub more: bool,
    /// The cursor of the call is not known; a whole new table begins here.
    pub reset: bool,
    /// What becomes of each digest that the page names: its new entry, or none. Each digest once.
    pub changes: Vec<(Digest, Option<Entry>)>,
    /// How many entries were bad.
    pub dropped: u64,
}

/// Why a page is bad.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BadPage {
    /// It is not JSON, or ends early.
    Json,
    /// It is JSON of another shape.
    Shape,
    /// It is larger than a page may be.
    Excess,
}

#[derive(Deserialize)]
struct RawPage<'a> {
    cursor: String,
    more: bool,
    #[serde(default)]
    reset: bool,
    #[serde(borrow, default)]
    keys: List<'a>,
    #[serde(borrow, default)]
    removed: List<'a>,
    #[serde(borrow, default)]
    revoked_tokens: List<'a>,
}

/// The items of a list, not looked into yet: none of them if there are more than [`MAX_ENTRIES`].
#[derive(Default)]
struct List<'a> {
    items: Vec<&'a RawValue>,
    count: usize,
}

/// Texts are borrowed where they have no escapes: a page has thousands of them.
#[derive(Deserialize)]
struct RawEntry<'a> {
    #[serde(borrow)]
    sha256: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    environment: Cow<'a, str>,
    #[serde(borrow)]
    permissions: Vec<Text<'a>>,
    #[serde(borrow, default)]
    owner: Option<Text<'a>>,
    #[serde(default)]
    not_before: Option<i64>,
    #[serde(default)]
    expires_at: Option<i64>,
    #[serde(default)]
    revoked_at: Option<i64>,
    #[serde(borrow, default)]
    allowed_cidrs: Option<Vec<Text<'a>>>,
}

#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
struct RawToken<'a> {
    #[serde(borrow)]
    jti: Cow<'a, str>,
    expires_at: i64,
}

/// All that has to be readable for a bad entry to take what is held under its digest with it.
#[derive(Deserialize)]
struct OnlyDigest<'a> {
    #[serde(borrow)]
    sha256: Cow<'a, str>,
}

impl Page {
    /// Reads a page.
    ///
    /// # Errors
    /// [`BadPage`] if rule 1 is broken or the page is too large.
    pub fn parse(body: &[u8]) -> Result<Self, BadPage> {
        if body.len() > MAX_PAGE {
            return Err(BadPage::Excess);
        }
        let raw: RawPage<'_> = serde_json::from_slice(body)
            .map_err(|error| if error.is_data() { BadPage::Shape } else { BadPage::Json })?;
        if raw.cursor.len() > MAX_CURSOR {
            return Err(BadPage::Shape);
        }
        if raw.keys.count + raw.removed.count + raw.revoked_tokens.count > MAX_ENTRIES {
            return Err(BadPage::Excess);
        }
        let mut changes = Vec::new();
        let mut dropped = 0;
        for key in raw.keys.items {
            match entry(key) {
                Ok(entry) => changes.push((entry.digest, Some(entry))),
                Err(digest) => {
                    dropped += 1;
                    changes.extend(digest.map(|digest| (digest, None)));
                }
            }
        }
        for removed in raw.removed.items {
            match serde_json::from_str::<Cow<'_, str>>(removed.get())
                .ok()
                .and_then(|text| Digest::parse_hex(&text))
            {
                Some(digest) => changes.push((digest, None)),
                None => dropped += 1,
            }
        }
        for token in raw.revoked_tokens.items {
            match serde_json::from_str::<RawToken<'_>>(token.get()) {
                Ok(RawToken { jti, expires_at }) => {
                    let entry = revoked::entry(&jti, expires_at);
                    changes.push((entry.digest, Some(entry)));
                }
                Err(_) => dropped += 1,
            }
        }
        let changes = last_of_each(changes);
        Ok(Self { cursor: raw.cursor, more: raw.more, reset: raw.reset, changes, dropped })
    }
}

impl Page {
    /// Drops and counts the revoked tokens for which there is no room.
    pub fn drop_tokens_beyond(&mut self, room: u64) {
        let (mut left, before) = (room, self.changes.len());
        self.changes.retain(|(_, entry)| {
            let is_token = entry.as_ref().is_some_and(revoked::is_token);
            let stays = !is_token || left > 0;
            left -= u64::from(is_token && stays);
            stays
        });
        self.dropped += (before - self.changes.len()) as u64;
    }
}

/// Keeps the last change of every digest. Removals come behind all entries, so they win.
fn last_of_each(mut changes: Vec<(Digest, Option<Entry>)>) -> Vec<(Digest, Option<Entry>)> {
    let last: HashMap<Digest, usize> =
        changes.iter().enumerate().map(|(place, (digest, _))| (*digest, place)).collect();
    if last.len() < changes.len() {
        let mut place = 0..;
        changes.retain(|(digest, _)| last.get(digest).copied() == place.next());
    }
    changes
}

/// Reads an entry; a bad one answers with its digest, if that can be read.
fn entry(raw: &RawValue) -> Result<Entry, Option<Digest>> {
    let fits = raw.get().len() <= MAX_ENTRY;
    let Some(fields) = fits.then(|| serde_json::from_str::<RawEntry<'_>>(raw.get()).ok()).flatten() else {
        let only = serde_json::from_str::<OnlyDigest<'_>>(raw.get());
        return Err(only.ok().and_then(|only| Digest::parse_hex(&only.sha256)));
    };
    let digest = Digest::parse_hex(&fields.sha256).ok_or(None)?;
    check(&fields, digest).ok_or(Some(digest))
}

fn check(fields: &RawEntry<'_>, digest: Digest) -> Option<Entry> {
    let grants = fields.permissions.iter().map(|Text(text)| is_grant(text).then(|| (&**text).into()));
    let cidrs = fields.allowed_cidrs.as_ref().map(|cidrs| cidrs.iter().map(|Text(text)| Cidr::parse(text)));
    let owner = fields.owner.as_ref().map(|Text(text)| is_owner(text).then(|| (&**text).into()));
    Some(Entry {
        digest,
        id: is_id(&fields.id).then(|| (&*fields.id).into())?,
        environment: Environment::parse(&fields.environment)?,
        permissions: grants.collect::<Option<_>>()?,
        owner: owner.map_or(Some(None), |owner| owner.map(Some))?,
        not_before: fields.not_before,
        expires_at: fields.expires_at,
        revoked_at: fields.revoked_at,
        allowed_cidrs: cidrs.map_or(Some(None), |cidrs| cidrs.collect::<Option<_>>().map(Some))?,
    })
}

// === impl List ===

impl<'de: 'a, 'a> Deserialize<'de> for List<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Items)
    }
}

struct Items;

impl<'de> Visitor<'de> for Items {
    type Value = List<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<List<'de>, A::Error> {
        let mut list = List::default();
        while list.count <= MAX_ENTRIES {
            let Some(item) = access.next_element()? else { return Ok(list) };
            list.items.push(item);
            list.count += 1;
        }
        // The rest is only read to its end: whether the page is JSON is told before whether it is
        // too large.
        while access.next_element::<IgnoredAny>()?.is_some() {
            list.count += 1;
        }
        Ok(List { items: Vec::new(), ..list })
    }
}

#[cfg(test)]
mod tests;
