//! How many files `flint serve` may have open. Each connection is one, and many systems start a
//! program with 1,024 where it may take far more for itself.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is open besides connections: database, journal, log, the files of the runtime.
const BESIDES: u64 = 200;

/// Allows as many files as so many connections need, or else as many as may be, and says so.
pub(super) fn provide(connections: usize) {
    let wanted = connections as u64 + BESIDES;
    let limit = getrlimit(Resource::Nofile);
    if holds(limit.current, wanted) {
        return;
    }
    let reached = if holds(limit.maximum, wanted) { Some(wanted) } else { limit.maximum };
    let raised = setrlimit(Resource::Nofile, Rlimit { current: reached, maximum: limit.maximum });
    let files = if raised.is_ok() { reached } else { limit.current };
    if !holds(files, wanted) {
        let (files, connections) =
            (files.unwrap_or(u64::MAX), files.unwrap_or(u64::MAX).saturating_sub(BESIDES));
        tracing::warn!(
            files,
            wanted,
            "the system allows too few open files for --max-connections: some {connections} connections will be served, \
             and more wait; raise the hard limit (LimitNOFILE= of systemd, ulimit -Hn)"
        );
    }
}

/// Whether a limit, which may be none, is as large.
fn holds(limit: Option<u64>, wanted: u64) -> bool {
    limit.is_none_or(|limit| limit >= wanted)
}
