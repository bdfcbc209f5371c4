//! Usage reports, and the rules that make one good (contract §7).

use flint_contract::entry::is_id;
use flint_contract::outcome::Outcome;
use flint_contract::protocol::UsageReport;

use super::MAX_TIME;
use super::draft::{Mistake, Mistakes};

/// The most entries of a report.
const MAX_ENTRIES: usize = 50_000;
/// The largest count of one entry: what a key meets in days at a million requests a second.
const MAX_COUNT: u64 = 1 << 40;
/// How many mistakes are listed; a report of ten thousand wrong lines need not come back whole.
const MAX_MISTAKES: usize = 20;

/// A report that keeps every rule.
#[derive(Clone, Debug, PartialEq)]
pub struct GoodReport(UsageReport);

impl GoodReport {
    /// Checks a report.
    ///
    /// # Errors
    /// The rules that it breaks, as far as they are listed.
    pub fn check(report: UsageReport) -> Result<Self, Vec<Mistake>> {
        find_mistakes(&report)?;
        Ok(Self(report))
    }

    /// The report.
    #[must_use]
    pub const fn get(&self) -> &UsageReport {
        &self.0
    }
}

fn find_mistakes(report: &UsageReport) -> Result<(), Vec<Mistake>> {
    let mut mistakes = Mistakes::default();
    let id = &report.report_id;
    if !(1..=128).contains(&id.len()) || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
        mistakes.add("report_id", "must be 1 to 128 printable ASCII characters without spaces");
    }
    mistakes.time("from", Some(report.from));
    mistakes.time("to", Some(report.to));
    if report.to < report.from {
        mistakes.add("to", "must not be before from");
    }
    if report.entries.len() > MAX_ENTRIES {
        mistakes.add("entries", "must be at most 50000");
    }
    let mut bad = 0;
    for (index, entry) in report.entries.iter().enumerate() {
        let rules = [
            ("key_id", is_id(&entry.key_id), "must be 1 to 64 of [A-Za-z0-9_-]"),
            ("outcome", Outcome::parse(&entry.outcome).is_some(), "must be an outcome"),
            ("count", (1..=MAX_COUNT).contains(&entry.count), "must be 1 to 1099511627776"),
            ("last_used", (0..=MAX_TIME).contains(&entry.last_used), "must be whole Unix seconds"),
        ];
        for (field, _, rule) in rules.iter().filter(|(_, good, _)| !good) {
            bad += 1;
            if bad <= MAX_MISTAKES {
                mistakes.add(&format!("entries[{index}].{field}"), rule);
            }
        }
    }
    mistakes.none_or(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use flint_contract::protocol::UsageEntry;

    fn report() -> UsageReport {
        let entry = UsageEntry {
            key_id: "key_1".into(),
            outcome: "allowed".into(),
            count: 12,
            last_used: 1_790_000_005,
        };
        UsageReport {
            report_id: "r-1".into(),
            from: 1_790_000_000,
            to: 1_790_000_010,
            entries: vec![entry],
            dropped: 0,
        }
    }

    #[test]
    fn a_good_report_passes_and_so_does_an_empty_one() {
        assert_eq!(find_mistakes(&report()), Ok(()));
        assert_eq!(find_mistakes(&UsageReport { entries: vec![], ..report() }), Ok(()));
    }

    #[test]
    fn every_rule_is_kept() {
        type Change = fn(&mut UsageReport);
        let changes: [(&str, Change); 9] = [
            ("report_id", |report| report.report_id.clear()),
            ("report_id", |report| report.report_id = "a b".into()),
            ("from", |report| report.from = -1),
            ("to", |report| report.to = report.from - 1),
            ("entries[0].key_id", |report| report.entries[0].key_id = "a.b".into()),
            ("entries[0].outcome", |report| report.entries[0].outcome = "Allowed".into()),
            ("entries[0].count", |report| report.entries[0].count = 0),
            ("entries[0].count", |report| report.entries[0].count = MAX_COUNT + 1),
            ("entries[0].last_used", |report| report.entries[0].last_used = i64::MAX),
        ];
        for (field, change) in changes {
            let mut bad = report();
            change(&mut bad);
            assert_eq!(find_mistakes(&bad).unwrap_err()[0].field, field);
        }
    }

    #[test]
    fn a_wholly_wrong_report_is_answered_briefly() {
        let mut bad = report();
        bad.entries[0].count = 0;
        bad.entries = vec![bad.entries[0].clone(); 1_000];
        assert_eq!(find_mistakes(&bad).unwrap_err().len(), MAX_MISTAKES);
    }
}
