//! Adding up entries in memory. Pure: the same reports give the same sums in the same order, no
//! matter who adds them up.

use std::collections::BTreeMap;

use flint_contract::protocol::UsageEntry;

use super::{ALL_KEYS, MAX_SUM, SPANS};

/// How long before its report came something counts at its own time, in seconds; what is older
/// counts then.
const OLDEST: i64 = 7 * 86_400;

/// When a report counted, and when it came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) received: i64,
}

/// Key, span, start and outcome of a sum.
pub(super) type Slot = (String, i64, i64, String);

/// What a batch of reports adds up to.
#[derive(Debug, Default)]
pub(super) struct Sums {
    pub(super) counts: BTreeMap<Slot, i64>,
    pub(super) last_used: BTreeMap<String, i64>,
}

impl Sums {
    pub(super) fn add(&mut self, entries: Vec<UsageEntry>, times: Times) {
        // A gateway whose clock is wrong cannot move a key's last use into the future.
        let latest = times.to.min(times.received);
        let mut together = BTreeMap::<(i64, String), i64>::new();
        for entry in entries {
            let used = entry.last_used.clamp(times.from.min(latest), latest);
            // Nor can it spread use over the years: each minute is another row.
            let at = used.max(times.received - OLDEST);
            let count = i64::try_from(entry.count).unwrap_or(i64::MAX);
            let minute = at - at.rem_euclid(SPANS[0]);
            for span in SPANS {
                let slot = (entry.key_id.clone(), span, at - at.rem_euclid(span), entry.outcome.clone());
                add(self.counts.entry(slot).or_default(), count);
            }
            add(together.entry((minute, entry.outcome)).or_default(), count);
            let last = self.last_used.entry(entry.key_id).or_default();
            *last = (*last).max(used);
        }
        for ((minute, outcome), count) in together {
            for span in SPANS {
                let slot = (ALL_KEYS.to_owned(), span, minute - minute.rem_euclid(span), outcome.clone());
                add(self.counts.entry(slot).or_default(), count);
            }
        }
    }
}

/// Adds up, as far as [`MAX_SUM`].
pub(crate) fn add(sum: &mut i64, count: i64) {
    *sum = sum.saturating_add(count).min(MAX_SUM);
}

/// Adds up all of them, as far as [`MAX_SUM`].
pub(crate) fn sum_of(counts: impl IntoIterator<Item = i64>) -> i64 {
    let mut sum = 0;
    counts.into_iter().for_each(|count| add(&mut sum, count));
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_added_at_its_time_and_never_in_the_future() {
        let entry =
            |count, last_used| UsageEntry { key_id: "a".into(), outcome: "allowed".into(), count, last_used };
        let mut sums = Sums::default();
        let times = Times { from: 120, to: 9_000, received: 200 };
        sums.add(vec![entry(2, 130), entry(3, 9_999_999)], times);
        let minute = |start: i64| sums.counts.get(&("a".into(), 60, start, "allowed".into())).copied();
        assert_eq!((minute(120), minute(180), minute(9_999_960)), (Some(2), Some(3), None));
        assert_eq!(sums.counts.get(&(ALL_KEYS.into(), 86_400, 0, "allowed".into())), Some(&5));
        assert_eq!(sums.counts.get(&(ALL_KEYS.into(), 60, 180, "allowed".into())), Some(&3));
        assert_eq!(sums.last_used.get("a"), Some(&200));
    }

    #[test]
    fn what_is_older_than_a_week_counts_a_week_ago() {
        let entry =
            |last_used| UsageEntry { key_id: "a".into(), outcome: "allowed".into(), count: 1, last_used };
        let received = 100 * 86_400;
        let mut sums = Sums::default();
        let times = Times { from: 0, to: received, received };
        sums.add((0..1_000).map(|minute| entry(minute * 60)).collect(), times);
        let of_key = sums.counts.iter().filter(|(slot, _)| slot.0 == "a");
        let rows: Vec<_> = of_key.map(|((_, span, start, _), count)| (*span, *start, *count)).collect();
        let week_ago = received - OLDEST;
        assert_eq!(rows, [(60, week_ago, 1_000), (3_600, week_ago, 1_000), (86_400, week_ago, 1_000)]);
        assert_eq!(sums.last_used.get("a"), Some(&(999 * 60)));
    }

    #[test]
    fn no_sum_is_larger_than_the_largest() {
        assert_eq!(sum_of([MAX_SUM - 1, 1]), MAX_SUM);
        assert_eq!(sum_of([MAX_SUM, i64::MAX, 1]), MAX_SUM);
    }
}
