//! The only place that reads the clock. Everything else is told what time it is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Time since 1970.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one place where the program reads the clock")]
pub fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The present in whole Unix seconds.
#[must_use]
pub fn now() -> i64 {
    i64::try_from(since_epoch().as_secs()).unwrap_or(i64::MAX)
}

/// A time as people read it: RFC 3339 in UTC. A time beyond the calendar is shown as its number.
#[must_use]
pub fn to_text(unix: i64) -> String {
    OffsetDateTime::from_unix_timestamp(unix)
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| unix.to_string())
}

/// Reads RFC 3339, or whole Unix seconds.
#[must_use]
pub fn parse(text: &str) -> Option<i64> {
    text.parse()
        .ok()
        .or_else(|| OffsetDateTime::parse(text, &Rfc3339).ok().map(OffsetDateTime::unix_timestamp))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_it_is_written() {
        assert_eq!(to_text(1_800_000_000), "2027-01-15T08:00:00Z");
        assert_eq!(parse("2027-01-15T08:00:00Z"), Some(1_800_000_000));
        assert_eq!(parse("2027-01-15T09:00:00+01:00"), Some(1_800_000_000));
        assert_eq!(parse("1800000000"), Some(1_800_000_000));
        assert_eq!(parse("tomorrow"), None);
        assert_eq!(to_text(i64::MAX), i64::MAX.to_string());
    }
}
