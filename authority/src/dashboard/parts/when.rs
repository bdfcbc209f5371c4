//! Times as people read them, with the exact time behind.

use askama::Template;
use askama::filters::HtmlSafe;
use time::OffsetDateTime;
use time::macros::format_description;

use crate::clock;
use crate::model::DAY;

/// A time in a page.
#[derive(Clone, Debug, Template)]
#[template(source = r#"<time datetime="{{ iso }}" title="{{ exact }}">{{ text }}</time>"#, ext = "html")]
pub(in crate::dashboard) struct When {
    iso: String,
    exact: String,
    text: String,
}

impl HtmlSafe for When {}

impl When {
    fn new(at: i64, text: String) -> Self {
        Self { iso: clock::to_text(at), exact: exact(at), text }
    }

    /// How far it is from now: `3 minutes ago`, `in 2 days`.
    pub(in crate::dashboard) fn from_now(at: i64, now: i64) -> Self {
        Self::new(at, distance(at, now))
    }

    /// The day: `22 Feb 2027`.
    pub(in crate::dashboard) fn day(at: i64) -> Self {
        Self::new(at, day(at))
    }

    /// Day and time, in UTC.
    pub(in crate::dashboard) fn exactly(at: i64) -> Self {
        Self::new(at, exact(at))
    }
}

/// A day in words.
pub(in crate::dashboard) fn day(at: i64) -> String {
    let format = format_description!("[day padding:none] [month repr:short] [year]");
    to_text(at, |time| time.format(format).ok())
}

/// A day as forms send it.
pub(in crate::dashboard) fn iso_day(at: i64) -> String {
    to_text(at, |time| time.format(format_description!("[year]-[month]-[day]")).ok())
}

/// The end of a day that a form sent: the first second of the next day in UTC.
pub(in crate::dashboard) fn end_of_day(text: &str) -> Option<i64> {
    let day = time::Date::parse(text, format_description!("[year]-[month]-[day]")).ok()?;
    Some(day.midnight().assume_utc().unix_timestamp() + DAY)
}

/// Day and time in words.
pub(in crate::dashboard) fn exact(at: i64) -> String {
    let format =
        format_description!("[day padding:none] [month repr:short] [year], [hour]:[minute]:[second] UTC");
    to_text(at, |time| time.format(format).ok())
}

/// A short time of a chart's step: an hour or a day.
pub(in crate::dashboard) fn step(at: i64, length: i64) -> String {
    if length < DAY {
        let format = format_description!("[day padding:none] [month repr:short], [hour]:[minute]");
        return to_text(at, |time| time.format(format).ok());
    }
    day(at)
}

fn to_text(at: i64, format: impl Fn(OffsetDateTime) -> Option<String>) -> String {
    OffsetDateTime::from_unix_timestamp(at).ok().and_then(format).unwrap_or_else(|| at.to_string())
}

/// How far a time is from now, in its largest whole unit.
pub(in crate::dashboard) fn distance(at: i64, now: i64) -> String {
    let seconds = i64::try_from(at.abs_diff(now)).unwrap_or(i64::MAX);
    // What lies ahead is rounded to the nearest unit: 24 hours are still 24 hours a moment later.
    let slack = match seconds {
        _ if at < now => 0,
        3_600..172_800 => 1_800,
        172_800.. => DAY / 2,
        _ => 0,
    };
    let text = span(seconds.saturating_add(slack));
    match (seconds < 5, at < now) {
        (true, _) => "just now".into(),
        (false, true) => format!("{text} ago"),
        (false, false) => format!("in {text}"),
    }
}

/// A length of time in its largest whole unit.
pub(in crate::dashboard) fn span(seconds: i64) -> String {
    let (count, unit) = match seconds {
        ..60 => (seconds, "second"),
        60..3_600 => (seconds / 60, "minute"),
        3_600..172_800 => (seconds / 3_600, "hour"),
        172_800..10_368_000 => (seconds / DAY, "day"),
        10_368_000..63_072_000 => (seconds / (30 * DAY), "month"),
        _ => (seconds / (365 * DAY), "year"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_in_their_largest_whole_unit() {
        let now = 1_790_000_000;
        for (offset, expected) in [
            (0, "just now"),
            (-59, "59 seconds ago"),
            (-60, "1 minute ago"),
            (-3_599, "59 minutes ago"),
            (3_600, "in 1 hour"),
            (2 * DAY, "in 2 days"),
            (DAY - 9, "in 24 hours"),
            (90 * DAY - 9, "in 90 days"),
            (90 * DAY, "in 90 days"),
            (150 * DAY, "in 5 months"),
            (-800 * DAY, "2 years ago"),
        ] {
            assert_eq!(distance(now + offset, now), expected);
        }
        assert!(distance(i64::MAX, i64::MIN).ends_with(" years"));
    }

    #[test]
    fn a_day_ends_where_the_next_begins() {
        assert_eq!(end_of_day("2027-01-15"), Some(1_800_057_600));
        assert_eq!((iso_day(1_800_057_599), day(1_800_057_599)), ("2027-01-15".into(), "15 Jan 2027".into()));
        for bad in ["", "15.1.2027", "2027-02-30", "2027-01-15T00:00", "-1-01-01"] {
            assert_eq!(end_of_day(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_time_shows_the_exact_one_behind() {
        let shown = When::from_now(1_800_000_000, 1_800_000_180).to_string();
        let title = "15 Jan 2027, 08:00:00 UTC";
        assert_eq!(
            shown,
            format!("<time datetime=\"2027-01-15T08:00:00Z\" title=\"{title}\">3 minutes ago</time>")
        );
    }
}
