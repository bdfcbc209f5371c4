//! What operators see: the closed list of metrics, and what goes to Envoy's log. No I/O.
//!
//! Metrics are counted in memory and handed to Envoy on ticks, so that no request waits for a host
//! call. Envoy shows them as `wasmcustom.<name>`, and to Prometheus as `<name>`. Nothing here ever
//! holds a key, a digest or a token.

use std::fmt::Write as _;

use flint_contract::outcome::Outcome;

use crate::backoff;
use crate::feed::page::{MAX_ENTRIES, MAX_PAGE};
use crate::feed::poller::{Event, Failure};
use crate::report::usage::Delivery;
use crate::table::Fault;
use crate::token::fetch;
use crate::token::keys::{BadSet, MAX_BODY, MAX_KEYS};

/// A counter. Its name is [`Counter::name`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Counter {
    /// Requests by what became of them.
    Requests(Outcome),
    /// Calls for the key table that were made.
    Polls,
    /// Calls for the key table that failed, by kind: a place in [`FAILURES`].
    PollFailures(usize),
    /// Entries of the key table that were bad.
    EntriesDropped,
    /// Times that a whole table took the place of the old one.
    TableReplacements,
    /// Usage reports that the authority has.
    UsageReportsSent,
    /// Attempts to send a usage report that failed.
    UsageReportsFailed,
    /// Usage reports that the authority did not want.
    UsageReportsRejected,
    /// Decisions that found no room to be counted for a usage report.
    UsageDropped,
    /// Calls for sets of keys that were made.
    JwksFetches,
    /// Calls for sets of keys that failed.
    JwksFailures,
    /// Times that a set of keys changed.
    JwksChanges,
}

/// The kinds of [`Failure`], as they end the names of counters.
pub const FAILURES: [&str; 10] = [
    "no_token",
    "not_sent",
    "no_answer",
    "timed_out",
    "status",
    "encoding",
    "json",
    "shape",
    "no_progress",
    "shared_data",
];

/// How many counters there are.
pub const COUNTERS: usize = Outcome::ALL.len() + FAILURES.len() + 10;

/// Counts that Envoy does not have yet.
#[derive(Debug)]
pub struct Counters([u64; COUNTERS]);

/// How loud a line is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Level {
    /// Worth knowing.
    Info,
    /// Something is wrong and is being dealt with.
    Warn,
}

impl Counter {
    /// Every counter.
    pub fn all() -> impl Iterator<Item = Self> {
        let rest = [
            Self::Polls,
            Self::EntriesDropped,
            Self::TableReplacements,
            Self::UsageReportsSent,
            Self::UsageReportsFailed,
            Self::UsageReportsRejected,
            Self::UsageDropped,
            Self::JwksFetches,
            Self::JwksFailures,
            Self::JwksChanges,
        ];
        let requests = Outcome::ALL.into_iter().map(Self::Requests);
        requests.chain((0..FAILURES.len()).map(Self::PollFailures)).chain(rest)
    }

    /// The name of the metric.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Requests(outcome) => format!("flint_requests_{}", outcome.as_str()),
            Self::Polls => "flint_polls".to_owned(),
            Self::PollFailures(kind) => {
                format!("flint_poll_failures_{}", FAILURES.get(kind).copied().unwrap_or("other"))
            }
            Self::EntriesDropped => "flint_entries_dropped".to_owned(),
            Self::TableReplacements => "flint_table_replacements".to_owned(),
            Self::UsageReportsSent => "flint_usage_reports_sent".to_owned(),
            Self::UsageReportsFailed => "flint_usage_reports_failed".to_owned(),
            Self::UsageReportsRejected => "flint_usage_reports_rejected".to_owned(),
            Self::UsageDropped => "flint_usage_dropped".to_owned(),
            Self::JwksFetches => "flint_jwks_fetches".to_owned(),
            Self::JwksFailures => "flint_jwks_failures".to_owned(),
            Self::JwksChanges => "flint_jwks_changes".to_owned(),
        }
    }

    /// Its place in [`Counter::all`].
    const fn place(self) -> usize {
        const REST: usize = Outcome::ALL.len() + FAILURES.len();
        match self {
            Self::Requests(outcome) => outcome as usize,
            Self::PollFailures(kind) => Outcome::ALL.len() + kind,
            Self::Polls => REST,
            Self::EntriesDropped => REST + 1,
            Self::TableReplacements => REST + 2,
            Self::UsageReportsSent => REST + 3,
            Self::UsageReportsFailed => REST + 4,
            Self::UsageReportsRejected => REST + 5,
            Self::UsageDropped => REST + 6,
            Self::JwksFetches => REST + 7,
            Self::JwksFailures => REST + 8,
            Self::JwksChanges => REST + 9,
        }
    }
}

impl Counters {
    /// Adds to a counter.
    pub fn add(&mut self, counter: Counter, by: u64) {
        if let Some(count) = self.0.get_mut(counter.place()) {
            *count += by;
        }
    }

    /// Takes what has been counted, as places in [`Counter::all`] and numbers above 0.
    pub fn take(&mut self) -> impl Iterator<Item = (usize, u64)> {
        let counts = std::mem::replace(&mut self.0, [0; COUNTERS]);
        counts.into_iter().enumerate().filter(|(_, count)| *count > 0)
    }
}

impl Default for Counters {
    fn default() -> Self {
        Self([0; COUNTERS])
    }
}

/// The kind of a failure: a place in [`FAILURES`].
#[must_use]
pub const fn kind(failure: Failure) -> usize {
    match failure {
        Failure::NoToken => 0,
        Failure::NotSent => 1,
        Failure::NoAnswer => 2,
        Failure::TimedOut => 3,
        Failure::Status(_) => 4,
        Failure::Encoding => 5,
        Failure::Json => 6,
        Failure::Shape | Failure::Excess => 7,
        Failure::NoProgress => 8,
        Failure::Store(_) => 9,
    }
}

/// Counts an event of the poller.
pub fn count(counters: &mut Counters, event: Event) {
    match event {
        Event::Failed(failure, _) => counters.add(Counter::PollFailures(kind(failure)), 1),
        Event::Applied { dropped, .. } => counters.add(Counter::EntriesDropped, dropped),
        Event::Replaced { .. } => counters.add(Counter::TableReplacements, 1),
        Event::Recovered(_) | Event::Reset(_) | Event::TookLease | Event::LostLease => {}
    }
}

/// Counts an event of a set of keys.
pub fn count_keys(counters: &mut Counters, event: fetch::Event) {
    match event {
        fetch::Event::Failed(..) => counters.add(Counter::JwksFailures, 1),
        fetch::Event::Changed { .. } => counters.add(Counter::JwksChanges, 1),
        fetch::Event::Recovered(_) => {}
    }
}

/// The line that an event of a set of keys is worth. Says nothing of what is in the set.
#[must_use]
pub fn keys_line(event: fetch::Event, cluster: &str, path: &str) -> Option<(Level, String)> {
    Some(match event {
        fetch::Event::Failed(failure, times) if times.is_power_of_two() => {
            let why = why_no_keys(failure);
            let again = if times > 1 { format!(" ({times} times in a row)") } else { String::new() };
            let text = format!(
                "flint: the signing keys could not be fetched from cluster \"{cluster}\", path \"{path}\": {why}{again}; \
                 the last good set, if there is one, works until it is too old"
            );
            (Level::Warn, text)
        }
        fetch::Event::Failed(..) => return None,
        fetch::Event::Recovered(failures) => (
            Level::Info,
            format!(
                "flint: cluster \"{cluster}\" answers with signing keys again, after {failures} failures"
            ),
        ),
        fetch::Event::Changed { keys, left_out } => {
            let level = if left_out > 0 { Level::Warn } else { Level::Info };
            let text = format!(
                "flint: {keys} signing keys from cluster \"{cluster}\", path \"{path}\" are in use; {left_out} were left out"
            );
            (level, text)
        }
    })
}

fn why_no_keys(failure: fetch::Failure) -> String {
    match failure {
        fetch::Failure::NotSent => {
            "Envoy would not send the call (no such cluster, or no healthy host)".to_owned()
        }
        fetch::Failure::NoAnswer => "the call was reset, or the answer is over 32 MiB".to_owned(),
        fetch::Failure::TimedOut => "no answer in time".to_owned(),
        fetch::Failure::Status(status) => format!("the answer is {status}"),
        fetch::Failure::Encoding => "the answer has a content-encoding".to_owned(),
        fetch::Failure::Bad(BadSet::Size) => format!("the answer is over {} KiB", MAX_BODY >> 10),
        fetch::Failure::Bad(BadSet::Json) => "the answer is not JSON, or was cut short".to_owned(),
        fetch::Failure::Bad(BadSet::Shape) => {
            format!("the answer is not a JWK Set of at most {MAX_KEYS} keys")
        }
        fetch::Failure::Bad(BadSet::NoKey) => "none of its keys can be used".to_owned(),
        fetch::Failure::Store(fault) => format!("Envoy's shared data failed ({fault:?})"),
    }
}

/// Counts what became of a usage report.
pub fn count_delivery(counters: &mut Counters, delivery: Delivery) {
    let counter = match delivery {
        Delivery::Sent => Counter::UsageReportsSent,
        Delivery::Failed(_) => Counter::UsageReportsFailed,
        Delivery::Rejected(_) => Counter::UsageReportsRejected,
    };
    counters.add(counter, 1);
}

/// The line that an event of the poller is worth. `cluster` is Envoy's name of the authority,
/// `token_env` the name of the variable that should have its token.
#[must_use]
pub fn line(event: Event, cluster: &str, token_env: &str) -> Option<(Level, String)> {
    Some(match event {
        Event::Failed(failure, times) if times.is_power_of_two() => {
            let mut text =
                format!("flint: the key table could not be refreshed from cluster \"{cluster}\": ");
            text.push_str(&why(failure, token_env));
            if times > 1 {
                // Writing to a string cannot fail.
                let _ = write!(text, " ({times} times in a row)");
            }
            text.push_str("; the last good table, if there is one, goes on serving until it is too old");
            (Level::Warn, text)
        }
        Event::Recovered(failures) => {
            (Level::Info, format!("flint: cluster \"{cluster}\" answers again, after {failures} failures"))
        }
        Event::Applied { dropped, .. } if dropped > 0 => {
            let text = format!(
                "flint: {dropped} bad entries in a page of the key table from cluster \"{cluster}\" were dropped; \
                 their keys do not pass"
            );
            (Level::Warn, text)
        }
        Event::Replaced { keys } => (
            Level::Info,
            format!("flint: a whole key table of {keys} keys from cluster \"{cluster}\" is in use"),
        ),
        Event::Reset(times @ 2..) if times.is_power_of_two() => {
            let mut text = format!(
                "flint: cluster \"{cluster}\" forgets its cursors, {times} times in a row; are these authorities with \
                 different databases under one name?"
            );
            if times == 2 {
                let most = backoff::MOST / 1_000;
                let _ = write!(
                    text,
                    " From now on every whole table is asked for later than the one before, by up to {most} seconds, \
                     until an ordinary page comes."
                );
            }
            (Level::Warn, text)
        }
        Event::Reset(1) => (
            Level::Info,
            format!(
                "flint: cluster \"{cluster}\" does not know the cursor (restored or another database); fetching a whole new key table"
            ),
        ),
        Event::Failed(..) | Event::Reset(_) | Event::Applied { .. } | Event::TookLease | Event::LostLease => {
            return None;
        }
    })
}

/// The line that a delivery is worth.
#[must_use]
pub fn delivery_line(delivery: Delivery, cluster: &str) -> Option<(Level, String)> {
    Some(match delivery {
        Delivery::Failed(times) if times.is_power_of_two() => (
            Level::Warn,
            format!(
                "flint: a usage report to cluster \"{cluster}\" failed ({times} in a row) and will come again"
            ),
        ),
        Delivery::Rejected(status) => (
            Level::Warn,
            format!(
                "flint: cluster \"{cluster}\" rejected a usage report with status {status}; it is dropped"
            ),
        ),
        Delivery::Failed(_) | Delivery::Sent => return None,
    })
}

fn why(failure: Failure, token_env: &str) -> String {
    match failure {
        Failure::NoToken => format!(
            "the environment variable {token_env} is not set for the VM (vm_config.environment_variables), so no \
             call is made"
        ),
        Failure::NotSent => "Envoy would not send the call (no such cluster, or no healthy host)".to_owned(),
        Failure::NoAnswer => "the call was reset, or the answer is over 32 MiB".to_owned(),
        Failure::TimedOut => "no answer in time".to_owned(),
        Failure::Status(status @ (401 | 403)) => {
            format!("the answer is {status}; is the gateway's token right?")
        }
        Failure::Status(status) => format!("the answer is {status}"),
        Failure::Encoding => "the answer has a content-encoding".to_owned(),
        Failure::Json => "the answer is not JSON, or was cut short".to_owned(),
        Failure::Shape => "the answer is not a page of a key table".to_owned(),
        Failure::Excess => {
            format!(
                "the answer has more than {MAX_ENTRIES} entries or {} MiB; does it heed the limit?",
                MAX_PAGE >> 20
            )
        }
        Failure::NoProgress => "the answer promises more and brings nothing".to_owned(),
        Failure::Store(Fault::Skewed) => {
            "too many keys are in one place of the table; it is fetched again and spread in another way"
                .to_owned()
        }
        Failure::Store(fault) => format!("Envoy's shared data failed ({fault:?})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_good_for_prometheus_and_places_are_their_order() {
        let mut names = std::collections::HashSet::new();
        for (place, counter) in Counter::all().enumerate() {
            let name = counter.name();
            assert!(
                name.starts_with("flint_") && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
                "{name}"
            );
            assert_eq!(counter.place(), place, "{name}");
            assert!(names.insert(name));
        }
        assert_eq!(names.len(), COUNTERS);
    }

    #[test]
    fn counts_are_taken_once() {
        let mut counters = Counters::default();
        counters.add(Counter::Polls, 2);
        counters.add(Counter::Requests(Outcome::Allowed), 1);
        assert_eq!(counters.take().map(|(_, count)| count).sum::<u64>(), 3);
        assert_eq!(counters.take().count(), 0);
    }

    #[test]
    fn that_resets_slow_the_poller_down_is_said_once() {
        let said = |times| line(Event::Reset(times), "c", "").map(|(_, text)| text).unwrap_or_default();
        assert!(said(2).contains("up to 10 seconds"), "{}", said(2));
        assert!(said(4).contains("4 times in a row"));
        assert_eq!((1..1_000).filter(|times| said(*times).contains("seconds")).count(), 1);
    }

    #[test]
    fn repeated_failures_are_said_ever_more_rarely() {
        let said = (1..=100)
            .filter(|times| line(Event::Failed(Failure::NoAnswer, *times), "c", "").is_some())
            .count();
        assert_eq!(said, 7);
    }
}
