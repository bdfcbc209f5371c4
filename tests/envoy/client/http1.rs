//! HTTP/1.1 on a plain socket: any bytes go out, and what comes back is kept as it came.

use std::io::{self, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};

use super::{Answer, Request};
use crate::harness::PATIENCE;
use crate::wire::{self, Ends, Message};

/// A connection that is kept alive.
pub(crate) struct Connection {
    reader: BufReader<TcpStream>,
}

/// A GET without anything, for pages that may not be there.
pub(crate) fn get(to: SocketAddr, target: &str) -> io::Result<Answer> {
    let mut connection = Connection::try_open(to)?;
    connection.write(&Request::get(target).header("connection", "close"))?;
    connection.read("GET")
}

// === impl Connection ===

impl Connection {
    #[track_caller]
    pub(crate) fn open(to: SocketAddr) -> Self {
        Self::try_open(to).unwrap_or_else(|error| panic!("{to} does not accept: {error}"))
    }

    fn try_open(to: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(to)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { reader: BufReader::new(stream) })
    }

    /// Sends a request and reads the answer.
    #[track_caller]
    pub(crate) fn send(&mut self, request: &Request) -> Answer {
        self.try_send(request).unwrap_or_else(|error| panic!("{request:?}: {error}"))
    }

    /// Sends a request and reads the answer; the connection may fail.
    pub(crate) fn try_send(&mut self, request: &Request) -> io::Result<Answer> {
        self.write(request)?;
        self.read(&request.method)
    }

    /// Sends a request and does not wait.
    pub(crate) fn write(&mut self, request: &Request) -> io::Result<()> {
        let mut bytes = format!("{} {} HTTP/1.1\r\n", request.method, request.target).into_bytes();
        let named = |name: &str| request.headers.iter().any(|(found, _)| found.eq_ignore_ascii_case(name));
        if !named("host") {
            bytes.extend_from_slice(b"host: api.example.com\r\n");
        }
        if !request.body.is_empty() && !named("content-length") {
            bytes.extend_from_slice(format!("content-length: {}\r\n", request.body.len()).as_bytes());
        }
        for (name, value) in &request.headers {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&request.body);
        self.write_raw(&bytes)
    }

    /// Sends any bytes.
    pub(crate) fn write_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.reader.get_mut().write_all(bytes)
    }

    /// Reads the answer to a request of this method.
    pub(crate) fn read(&mut self, method: &str) -> io::Result<Answer> {
        let ends = if method == "HEAD" { Ends::AtOnce } else { Ends::WithTheConnection };
        let message = if method == "HEAD" || method == "CONNECT" {
            wire::read_head(&mut self.reader)?
        } else {
            wire::read(&mut self.reader, ends)?
        };
        message.map(Answer::from).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// Reads a head alone: what follows a switch of protocols is not HTTP.
    pub(crate) fn read_head(&mut self) -> io::Result<Answer> {
        let message = wire::read_head(&mut self.reader)?;
        message.map(Answer::from).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// Reads exactly so many bytes.
    pub(crate) fn read_raw(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.reader.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Whether something of an answer is there already.
    pub(crate) fn is_answered(&self) -> bool {
        let stream = self.reader.get_ref();
        stream.set_nonblocking(true).expect("the socket is open");
        let peeked = stream.peek(&mut [0]);
        stream.set_nonblocking(false).expect("the socket is open");
        peeked.is_ok_and(|length| length > 0)
    }

    /// Hangs up.
    pub(crate) fn close(self) {
        // One that the peer has closed cannot be shut down again.
        drop(self.reader.get_ref().shutdown(Shutdown::Both));
    }
}

// === impl Answer ===

impl From<Message> for Answer {
    fn from(message: Message) -> Self {
        let status = message.start.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("not a status line: {:?}", message.start));
        Self { status, headers: message.headers, body: message.body, trailers: Vec::new() }
    }
}
