//! Requests that were created and whose headers have not come. Envoy creates a request here when its headers are there,
//! or for a line of the access log alone; then they never come. A host may create it earlier, while a filter before this
//! one keeps it. Nobody tells the filter when such a request ends; it asks.

use std::collections::BTreeMap;

/// Such requests by their numbers, and what each was created under.
#[derive(Debug)]
pub struct Pending<T> {
    requests: BTreeMap<u32, T>,
    /// Where to look for ended ones next.
    next: u32,
}

impl<T> Pending<T> {
    /// Adds one, and asks of two others whether they exist still: so ended ones never make up more than half for long,
    /// and no callback has many to ask about.
    pub fn put(&mut self, request: u32, under: T, exists: impl Fn(u32) -> bool) {
        for _ in 0..2 {
            let following = self.requests.range(self.next..).next();
            let Some(asked) =
                following.or_else(|| self.requests.first_key_value()).map(|(request, _)| *request)
            else {
                break;
            };
            self.next = asked.saturating_add(1);
            if !exists(asked) {
                self.requests.remove(&asked);
            }
        }
        self.requests.insert(request, under);
    }

    /// Takes one out.
    pub fn take(&mut self, request: u32) -> Option<T> {
        self.requests.remove(&request)
    }
}

// === impl Pending ===

impl<T> Default for Pending<T> {
    fn default() -> Self {
        Self { requests: BTreeMap::new(), next: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_that_end_unseen_are_let_go() {
        let mut pending = Pending::default();
        for request in 0..10_000 {
            pending.put(request, (), |_| false);
            assert!(pending.requests.len() <= 2, "{request}");
        }
    }

    #[test]
    fn those_that_last_are_kept_among_those_that_end() {
        let lasts = |request: u32| request.is_multiple_of(10);
        let mut pending = Pending::default();
        for request in 0..10_000 {
            pending.put(request, request + 1, lasts);
        }
        assert!(pending.requests.len() <= 2_000, "{}", pending.requests.len());
        for request in (0..10_000).filter(|request| lasts(*request)) {
            assert_eq!(pending.take(request), Some(request + 1));
            assert_eq!(pending.take(request), None);
        }
    }
}
