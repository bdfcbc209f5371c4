//! As much of HTTP/1.1 as the benchmarks need, on blocking sockets: a server with one thread per
//! connection, and finding the end of a response.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// A request: its method, its target, and nothing else that any server here looks at.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) target: &'a str,
}

/// An answer: status, header lines that end in CRLF, body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: &'static str,
    pub(crate) body: Vec<u8>,
}

impl Request<'_> {
    /// The path without its query.
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or(self.target)
    }

    /// A parameter of the query, as it stands there.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        let (_, query) = self.target.split_once('?')?;
        query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }
}

/// Listens on a free port of the loopback, prints it, and answers until the process is ended.
pub(crate) fn serve<H>(handle: H) -> Result<(), String>
where
    H: Fn(&Request<'_>) -> Answer + Send + Sync + 'static,
{
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|error| error.to_string())?;
    println!("{}", listener.local_addr().map_err(|error| error.to_string())?.port());
    let handle = Arc::new(handle);
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        let handle = Arc::clone(&handle);
        // A connection that breaks is the caller's affair.
        thread::spawn(move || talk(stream, &*handle));
    }
    Ok(())
}

fn talk(mut stream: TcpStream, handle: &dyn Fn(&Request<'_>) -> Answer) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut held = Vec::new();
    let mut out = Vec::new();
    let mut chunk = vec![0; 65_536];
    loop {
        let Some(size) = whole(&held) else {
            let read = stream.read(&mut chunk)?;
            if read == 0 {
                return Ok(());
            }
            held.extend_from_slice(&chunk[..read]);
            continue;
        };
        let head = String::from_utf8_lossy(&held[..size]);
        let mut words = head.split([' ', '\r']);
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let answer = handle(&Request { method, target });
        out.clear();
        let length = answer.body.len();
        write!(out, "HTTP/1.1 {} -\r\n{}content-length: {length}\r\n\r\n", answer.status, answer.headers)?;
        out.extend_from_slice(&answer.body);
        stream.write_all(&out)?;
        held.drain(..size);
    }
}

/// How long the message at the beginning of `bytes` is, head and body, once it is whole. Only
/// lengths are known, no chunks: nobody here sends any.
pub(crate) fn whole(bytes: &[u8]) -> Option<usize> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = &bytes[..end];
    let name = b"content-length:";
    let length = head.windows(name.len()).position(|word| word.eq_ignore_ascii_case(name)).map_or(0, |at| {
        let digits = head[at + name.len()..].iter().skip_while(|byte| **byte == b' ');
        digits
            .take_while(|byte| byte.is_ascii_digit())
            .fold(0, |sum, byte| sum * 10 + usize::from(byte - b'0'))
    });
    (bytes.len() >= end + length).then_some(end + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_whole_with_its_last_byte() {
        let message = b"HTTP/1.1 200 OK\r\nContent-Length:  12\r\n\r\nhello, world";
        assert_eq!(whole(message), Some(message.len()));
        assert_eq!(whole(&message[..message.len() - 1]), None);
        assert_eq!(whole(b"HTTP/1.1 204 -\r\n\r\nHTTP"), Some(18));
        assert_eq!(whole(b"HTTP/1.1 204 -\r\n"), None);
    }

    #[test]
    fn a_query_is_read_by_name() {
        let request = Request { method: "GET", target: "/v1/key-table?wait=25&limit=7" };
        assert_eq!(request.path(), "/v1/key-table");
        assert_eq!(request.parameter("limit"), Some("7"));
        assert_eq!(request.parameter("cursor"), None);
    }
}
