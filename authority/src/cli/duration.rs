//! Spans and ends as people write them: `90d`, `12h`, `never`, `2027-01-15T08:00:00Z`.

use crate::clock;
use crate::model::MAX_TIME;

/// A time as it was written on the command line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum When {
    /// Not at all.
    Never,
    /// This many seconds from now.
    In(i64),
    /// At this time, in Unix seconds.
    At(i64),
}

impl When {
    /// Reads `never`, a span, or a time.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text == "never" {
            return Ok(Self::Never);
        }
        if let Ok(span) = parse_span(text) {
            return Ok(Self::In(span));
        }
        let time = text.contains('T').then(|| clock::parse(text)).flatten();
        time.map(Self::At).ok_or_else(|| "must be like 90d, 12h, never or 2027-01-15T08:00:00Z".into())
    }

    /// The time that it means.
    pub(super) const fn after(self, now: i64) -> Option<i64> {
        match self {
            Self::Never => None,
            Self::In(span) => Some(now + span),
            Self::At(time) => Some(time),
        }
    }
}

/// Reads a span such as `15m`, `24h`, `90d` or `1d 12h`, in whole seconds; `0` and `now` are no
/// time at all.
pub(super) fn parse_span(text: &str) -> Result<i64, String> {
    if text == "now" {
        return Ok(0);
    }
    let span = humantime::parse_duration(text).ok().filter(|span| span.subsec_nanos() == 0);
    let seconds = span.and_then(|span| i64::try_from(span.as_secs()).ok());
    seconds.filter(|seconds| *seconds <= MAX_TIME).ok_or_else(|| "must be like 15m, 24h or 90d".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_read() {
        assert_eq!(When::parse("never"), Ok(When::Never));
        assert_eq!(When::parse("90d"), Ok(When::In(90 * 86_400)));
        assert_eq!(When::parse("2027-01-15T08:00:00Z"), Ok(When::At(1_800_000_000)));
        for bad in
            ["", "d", "-1d", "+1d", "90", "500ms", "tomorrow", "99999999999999999d", "9999999999999d", "é"]
        {
            assert!(When::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn no_span_is_a_span() {
        assert_eq!(parse_span("now"), Ok(0));
        assert_eq!(parse_span("0"), Ok(0));
        assert_eq!(parse_span("15m"), Ok(900));
        assert_eq!(parse_span("1d 12h"), Ok(36 * 3_600));
    }
}
