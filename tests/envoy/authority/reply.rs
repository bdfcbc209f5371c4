//! Wrong ways to answer a call.

use std::io::{self, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;
use socket2::SockRef;

/// An answer out of the script.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// What the call would get without a script.
    Truth,
    /// The call is held until [`super::Authority::recover`], and then gets the truth.
    Hold,
    /// 200 with this page.
    Page(Value),
    /// This status with this body, as JSON.
    Status(u16, String),
    /// 200 and this body, whatever it is, with these further header lines (each ending in CR LF).
    Body(String, Vec<u8>),
    /// 200, a length, and half of it before the connection closes.
    CutShort,
    /// 200 and this many bytes.
    Huge(usize),
    /// A TCP reset in place of an answer.
    Reset,
    /// No answer for as long as the caller waits.
    Never,
}

/// Whether the connection can continue.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum After {
    KeepAlive,
    Close,
}

// === impl Reply ===

impl Reply {
    /// Sends the answer.
    pub(crate) fn send(&self, stream: &mut TcpStream) -> io::Result<After> {
        match self {
            Self::Page(page) => whole(stream, 200, "", page.to_string().as_bytes()),
            Self::Status(status, body) => whole(stream, *status, "", body.as_bytes()),
            Self::Body(headers, body) => whole(stream, 200, headers, body),
            Self::CutShort => {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 200\r\n\r\n{\"cursor\": \"cut\", ")?;
                Ok(After::Close)
            }
            Self::Huge(size) => huge(stream, *size),
            Self::Reset => {
                SockRef::from(&*stream).set_linger(Some(Duration::ZERO))?;
                Ok(After::Close)
            }
            // The first two are seen to before there is an answer to send.
            Self::Truth | Self::Hold | Self::Never => {
                // The caller's hanging up is the end.
                io::copy(stream, &mut io::sink())?;
                Ok(After::Close)
            }
        }
    }
}

fn whole(stream: &mut TcpStream, status: u16, headers: &str, body: &[u8]) -> io::Result<After> {
    let length = body.len();
    let mut message = format!(
        "HTTP/1.1 {status} Scripted\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{headers}\r\n"
    )
    .into_bytes();
    message.extend_from_slice(body);
    stream.write_all(&message)?;
    Ok(After::KeepAlive)
}

/// A page that would be good if it were shorter: white space before the object.
fn huge(stream: &mut TcpStream, size: usize) -> io::Result<After> {
    write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n")?;
    let page = b"{\"cursor\": \"huge\", \"more\": false}";
    let blank = vec![b' '; 1 << 20];
    let mut left = size - page.len();
    while left > 0 {
        let step = left.min(blank.len());
        stream.write_all(&blank[..step])?;
        left -= step;
    }
    stream.write_all(page)?;
    Ok(After::KeepAlive)
}
