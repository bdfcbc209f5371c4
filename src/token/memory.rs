//! Tokens that were verified before, by the digest of the whole token, within a memory bound.
//!
//! There are two generations. What is found in the old one moves to the new one; when the new one
//! is full it becomes the old one, and what was in that is forgotten. So tokens in use stay, and
//! evicting others needs no search.

use std::collections::HashMap;
use std::rc::Rc;

use super::verifier::Verified;

/// How many bytes a generation may take up, about. The memory as a whole takes up twice as many.
pub(super) const GENERATION: usize = 2 << 20;

/// The SHA-256 of a whole token.
pub(super) type Digest = [u8; 32];

/// What is remembered.
#[derive(Debug)]
pub(super) struct Memory {
    new: HashMap<Digest, Rc<Verified>>,
    old: HashMap<Digest, Rc<Verified>>,
    /// How many bytes the new generation takes up.
    size: usize,
    most: usize,
}

impl Memory {
    /// One that remembers nothing yet. A generation has at most that many bytes.
    pub(super) fn new(most: usize) -> Self {
        Self { new: HashMap::new(), old: HashMap::new(), size: 0, most }
    }

    pub(super) fn find(&mut self, digest: &Digest) -> Option<Rc<Verified>> {
        if let Some(found) = self.new.get(digest) {
            return Some(Rc::clone(found));
        }
        let found = self.old.remove(digest)?;
        self.put(*digest, Rc::clone(&found));
        Some(found)
    }

    pub(super) fn put(&mut self, digest: Digest, verified: Rc<Verified>) {
        let size = verified.size();
        if self.size + size > self.most {
            self.old = std::mem::take(&mut self.new);
            self.size = 0;
        }
        self.size += size;
        self.new.insert(digest, verified);
    }

    pub(super) fn forget(&mut self, digest: &Digest) {
        if let Some(gone) = self.new.remove(digest) {
            self.size = self.size.saturating_sub(gone.size());
        }
        self.old.remove(digest);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.new.len() + self.old.len()
    }
}
