//! One thing that was looked at: what was seen, how well it is, and what to do.

use serde::Serialize;

/// How well something is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub enum Grade {
    /// As it should be.
    #[serde(rename = "ok")]
    Good,
    /// It works, and somebody should look at it.
    #[serde(rename = "warn")]
    Warn,
    /// It does not work, or will not for long.
    #[serde(rename = "fail")]
    Bad,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: &'static str,
    /// How well it is.
    pub grade: Grade,
    /// What was seen.
    pub finding: String,
    /// What to do.
    pub advice: Option<String>,
}

impl Grade {
    /// The word: `ok`, `warn` or `fail`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Warn => "warn",
            Self::Bad => "fail",
        }
    }
}

impl Finding {
    pub(crate) fn good(check: &'static str, finding: impl Into<String>) -> Self {
        Self { check, grade: Grade::Good, finding: finding.into(), advice: None }
    }

    pub(crate) fn warn(check: &'static str, finding: impl Into<String>, advice: &str) -> Self {
        Self { check, grade: Grade::Warn, finding: finding.into(), advice: Some(advice.into()) }
    }

    pub(crate) fn bad(check: &'static str, finding: impl Into<String>, advice: &str) -> Self {
        Self { check, grade: Grade::Bad, finding: finding.into(), advice: Some(advice.into()) }
    }
}
