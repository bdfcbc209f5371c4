//! When to try again after failures: jittered, exponential, from 0.1 s to 10 s (contract §6).

/// The shortest wait, in milliseconds.
pub const LEAST: u64 = 100;
/// The longest wait, in milliseconds.
pub const MOST: u64 = 10_000;

/// Failures in a row.
#[derive(Clone, Copy, Debug, Default)]
pub struct Backoff(u32);

impl Backoff {
    /// One failure more. Answers how long to wait, in milliseconds: between half and all of 0.1 s
    /// doubled with each failure, so that gateways that failed together do not come back together.
    pub fn failed(&mut self, random: u64) -> u64 {
        let most = LEAST.saturating_mul(1 << self.0.min(16)).min(MOST);
        self.0 = self.0.saturating_add(1);
        let half = most / 2;
        (half + random % (half + 1)).max(LEAST)
    }

    /// Ends the row. Answers how long it was.
    pub fn succeeded(&mut self) -> u32 {
        std::mem::take(&mut self.0)
    }

    /// How many failures there have been in a row.
    #[must_use]
    pub const fn failures(self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_from_a_tenth_of_a_second_to_ten_and_are_jittered() {
        let bounds = |random| {
            let mut backoff = Backoff::default();
            (0..12).map(|_| backoff.failed(random)).collect::<Vec<_>>()
        };
        assert_eq!(bounds(0), [100, 100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000, 5000, 5000]);
        assert!(bounds(u64::MAX).iter().all(|wait| (LEAST..=MOST).contains(wait)));
        assert_eq!(Backoff::default().failed(50), 100);
    }

    #[test]
    fn a_success_ends_the_row() {
        let mut backoff = Backoff::default();
        for _ in 0..100 {
            backoff.failed(7);
        }
        assert_eq!(backoff.succeeded(), 100);
        assert_eq!((backoff.failures(), backoff.failed(0)), (0, 100));
    }
}
