//! Collects all mistakes in a configuration, each with its JSON path.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;

/// How many mistakes are told in full; a file of a million bad keys must not make a million lines
/// of log.
const MAX_TOLD: usize = 1000;
/// The longest name that a message may repeat.
const MAX_NAME: usize = 64;

/// One mistake. `Display` is `<path>: <rule>`, such as `$.routes[2].methods[0]: must be …`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigError {
    /// Where it is, as a JSON path from `$`.
    pub path: String,
    /// The rule that is broken, in words that follow the path. Contains nothing of the
    /// configuration's values.
    pub rule: Cow<'static, str>,
}

/// All mistakes of a configuration, at least one. `Display` has a line for each.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ConfigErrors {
    told: Vec<ConfigError>,
    untold: usize,
}

/// Where mistakes are written down.
#[derive(Debug, Default)]
pub(super) struct Report(RefCell<ConfigErrors>);

/// A place in the configuration, and the report for mistakes there.
#[derive(Clone, Copy, Debug)]
pub(super) struct At<'a> {
    report: &'a Report,
    segment: Segment<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Segment<'a> {
    Root,
    Field(&'a At<'a>, &'a str),
    Index(&'a At<'a>, usize),
}

/// Whether a name that was read looks like a name, and not like a secret that is in the wrong
/// place: 1 to 64 letters, digits and `marks`, not beginning like a key or token of ours, and
/// without 16 letters and digits in a row that are a mixture of both, as random ones and digests
/// are.
pub(super) fn may_be_told(name: &str, marks: &[u8]) -> bool {
    let like_a_name = |byte: u8| byte.is_ascii_alphanumeric() || marks.contains(&byte);
    let random = |run: &[u8]| {
        run.len() >= 16 && run.iter().any(u8::is_ascii_digit) && run.iter().any(u8::is_ascii_alphabetic)
    };
    (1..=MAX_NAME).contains(&name.len())
        && name.bytes().all(like_a_name)
        && !name.to_ascii_lowercase().starts_with("flint_")
        && !name.as_bytes().split(|byte| !byte.is_ascii_alphanumeric()).any(random)
}

// === impl ConfigErrors ===

impl ConfigErrors {
    /// The mistakes, the first thousand of them, in the order of reading.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.told.iter()
    }

    /// How many mistakes there are beyond those.
    #[must_use]
    pub const fn untold(&self) -> usize {
        self.untold
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.told.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{error}")?;
        }
        if self.untold > 0 {
            write!(f, "\nand {} more", self.untold)?;
        }
        Ok(())
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.rule)
    }
}

impl std::error::Error for ConfigErrors {}

// === impl Report ===

impl Report {
    pub(super) fn is_empty(&self) -> bool {
        self.0.borrow().told.is_empty()
    }

    pub(super) fn into_errors(self) -> ConfigErrors {
        self.0.into_inner()
    }
}

// === impl At ===

impl<'a> At<'a> {
    pub(super) const fn root(report: &'a Report) -> Self {
        Self { report, segment: Segment::Root }
    }

    /// A field of this object. The name is one that the configuration has, never one that was read.
    pub(super) const fn field(&'a self, name: &'a str) -> Self {
        Self { report: self.report, segment: Segment::Field(self, name) }
    }

    pub(super) const fn index(&'a self, index: usize) -> Self {
        Self { report: self.report, segment: Segment::Index(self, index) }
    }

    /// A member of an object whose names the operator chooses. Its name is told only if it looks
    /// like one; it may be a secret in the wrong place.
    pub(super) fn member(&'a self, name: &'a str, index: usize) -> Self {
        if may_be_told(name, b"_-.:/") { self.field(name) } else { self.index(index) }
    }

    /// Writes a mistake down. The answer is always `None`: what is here has no value.
    pub(super) fn refuse<T>(&self, rule: impl Into<Cow<'static, str>>) -> Option<T> {
        let mut errors = self.report.0.borrow_mut();
        if errors.told.len() < MAX_TOLD {
            errors.told.push(ConfigError { path: self.to_string(), rule: rule.into() });
        } else {
            errors.untold += 1;
        }
        None
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.segment {
            Segment::Root => f.write_str("$"),
            Segment::Field(at, name) => write!(f, "{at}.{name}"),
            Segment::Index(at, index) => write!(f, "{at}[{index}]"),
        }
    }
}
