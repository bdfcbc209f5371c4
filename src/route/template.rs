//! Path templates, and the normal form of a path.

use std::collections::BTreeSet;

/// The most bytes of a template.
pub const MAX_TEMPLATE: usize = 2048;
/// The most segments of a template. Finding a route goes no deeper than this.
pub const MAX_SEGMENTS: usize = 64;

/// A path template: `/documents/{id}`, `/admin/**`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Template(Box<[Segment]>);

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Segment {
    /// These bytes.
    Literal(Box<[u8]>),
    /// One segment that is not empty; what it is called does not matter to matching.
    Name,
    /// No, one or more segments; always the last.
    Rest,
}

/// Whether a path (without its query) can be read in one way only, so that this filter, Envoy and
/// every upstream agree on what it names (contract §3).
///
/// It begins with `/` and has no empty segment but the last, no `.` or `..` segment, no `;`, `\` or
/// `#`, no `%2f`, `%5c`, `%2e` or `%00` in any letter case, and no byte that is not printable
/// ASCII.
#[must_use]
pub fn is_normal(path: &[u8]) -> bool {
    let Some(segments) = path.strip_prefix(b"/") else { return false };
    let legal = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b';' | b'\\' | b'#');
    if !path.iter().all(legal) || has_ambiguous_escape(path) {
        return false;
    }
    let mut remaining = Some(segments);
    while let Some(path) = remaining {
        let (segment, after) = first_segment(path);
        if matches!(segment, b"." | b"..") || (segment.is_empty() && after.is_some()) {
            return false;
        }
        remaining = after;
    }
    true
}

/// Splits a path at its first slash; `None` if there is none.
pub(super) fn first_segment(path: &[u8]) -> (&[u8], Option<&[u8]>) {
    let mut parts = path.splitn(2, |byte| *byte == b'/');
    (parts.next().unwrap_or_default(), parts.next())
}

/// Whether there is an escape that some servers undo before they split a path, and others after, or
/// never.
fn has_ambiguous_escape(path: &[u8]) -> bool {
    path.windows(3).any(|window| {
        matches!(window, [b'%', b'2', b'f' | b'F' | b'e' | b'E'] | [b'%', b'5', b'c' | b'C'] | b"%00")
    })
}

// === impl Template ===

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    ///
    /// The rule that is broken, in words.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let Some(segments) = text.strip_prefix('/') else { return Err("must begin with \"/\"") };
        if text.len() > MAX_TEMPLATE || segments.split('/').count() > MAX_SEGMENTS {
            return Err("must have at most 2048 characters and 64 segments");
        }
        if text.contains('?') {
            return Err("must have no query: matching is on the path alone");
        }
        // Braces and stars are legal here, and have their own rules below.
        if !is_normal(text.as_bytes()) || text.contains(' ') {
            return Err(
                "must be in normal form: no \"//\", \".\" or \"..\" segments, no \";\", \"\\\", \"#\", \
                        \"%2f\", \"%5c\", \"%2e\" or \"%00\", no spaces, control or non-ASCII characters",
            );
        }
        let mut names = BTreeSet::new();
        let mut parsed = Vec::new();
        let mut parts = segments.split('/').peekable();
        while let Some(part) = parts.next() {
            let is_last = parts.peek().is_none();
            parsed.push(match part {
                "**" if is_last => Segment::Rest,
                _ => segment(part, &mut names)?,
            });
        }
        Ok(Self(parsed.into()))
    }

    pub(super) fn segments(&self) -> &[Segment] {
        &self.0
    }
}

fn segment<'a>(part: &'a str, names: &mut BTreeSet<&'a str>) -> Result<Segment, &'static str> {
    if part.contains('*') {
        return Err("may have \"**\" as the last segment, and \"*\" nowhere else");
    }
    if part.contains(['{', '}']) {
        let name = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
        return match name {
            Some(name) if !is_name(name) => {
                Err("a {name} must be a letter or \"_\", then letters, digits or \"_\"")
            }
            Some(name) if names.insert(name) => Ok(Segment::Name),
            Some(_) => Err("must have each {name} once"),
            None => Err("a {name} must be a whole segment"),
        };
    }
    if !escapes_are_whole(part.as_bytes()) {
        return Err("a \"%\" must be followed by two hexadecimal digits");
    }
    Ok(Segment::Literal(part.as_bytes().into()))
}

fn is_name(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}

fn escapes_are_whole(part: &[u8]) -> bool {
    let is_whole =
        |after: &[u8]| matches!(after, [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
    part.split(|byte| *byte == b'%').skip(1).all(is_whole)
}
