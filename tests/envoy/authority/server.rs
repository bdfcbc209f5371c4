//! The sockets of the authority: one port for its whole life, which listens or refuses.

use std::io::{self, BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use socket2::{Domain, Socket, Type};

use super::reply::{After, Reply};
use super::{Call, Shared, State, TOKEN};
use crate::wire::{self, Ends, Message};

/// A port that is held from the beginning. A socket that is bound and does not listen refuses
/// connections, and nobody else can take its port.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    _placeholder: Socket,
    running: Mutex<Option<Running>>,
}

struct Running {
    stop: Arc<AtomicBool>,
    acceptor: thread::JoinHandle<()>,
}

// === impl Server ===

impl Server {
    pub(super) fn reserve() -> Self {
        let socket = bound(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        Self { address, _placeholder: socket, running: Mutex::default() }
    }

    pub(super) fn up(&self, shared: &Arc<Shared>) {
        let socket = bound(self.address);
        socket.listen(1024).expect("the port is ours");
        let listener = TcpListener::from(socket);
        let stop = Arc::new(AtomicBool::new(false));
        let acceptor = thread::spawn({
            let (stop, shared) = (stop.clone(), shared.clone());
            move || {
                for stream in listener.incoming().map_while(Result::ok) {
                    if stop.load(Ordering::SeqCst) {
                        break;
                    }
                    let (stop, shared) = (stop.clone(), shared.clone());
                    // A caller that hangs up in the middle is no news.
                    thread::spawn(move || drop(serve(&shared, &stop, stream)));
                }
            }
        });
        *self.running.lock().unwrap() = Some(Running { stop, acceptor });
    }

    pub(super) fn down(&self) {
        let Some(running) = self.running.lock().unwrap().take() else { return };
        running.stop.store(true, Ordering::SeqCst);
        // The acceptor looks at the flag after its next connection.
        drop(TcpStream::connect(self.address));
        running.acceptor.join().expect("the acceptor does not panic");
    }
}

fn bound(address: SocketAddr) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_reuse_port(true).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.bind(&address.into()).unwrap();
    socket
}

fn serve(shared: &Shared, stop: &AtomicBool, mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    while waits_for_a_call(&mut reader, stop)? {
        let Some(message) = wire::read(&mut reader, Ends::AtOnce)? else { break };
        let call = Call::of(message);
        let reply = match call.path.as_str() {
            "/v1/key-table" => shared.poll(&call, &|| stop.load(Ordering::SeqCst) || has_hung_up(&stream)),
            "/v1/usage" => shared.report(&call),
            crate::tokens::JWKS => {
                shared.keys(&call, &|| stop.load(Ordering::SeqCst) || has_hung_up(&stream))
            }
            _ => Reply::Status(404, "{}".into()),
        };
        if reply.send(&mut stream)? == After::Close {
            break;
        }
    }
    Ok(())
}

/// Waits for the next byte; false where the authority goes down first.
fn waits_for_a_call(reader: &mut BufReader<TcpStream>, stop: &AtomicBool) -> io::Result<bool> {
    reader.get_ref().set_read_timeout(Some(Duration::from_millis(50)))?;
    let came = loop {
        if stop.load(Ordering::SeqCst) {
            break false;
        }
        match reader.fill_buf() {
            Ok(bytes) => break !bytes.is_empty(),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            Err(error) => return Err(error),
        }
    };
    reader.get_ref().set_read_timeout(None)?;
    Ok(came)
}

/// Whether the caller has closed the connection.
fn has_hung_up(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).expect("the socket is open");
    let peeked = stream.peek(&mut [0]);
    stream.set_nonblocking(false).expect("the socket is open");
    match peeked {
        Ok(length) => length == 0,
        Err(error) => error.kind() != io::ErrorKind::WouldBlock,
    }
}

// === impl Shared ===

impl Shared {
    /// What a call for the key table is answered with; held while there is no news.
    fn poll(&self, call: &Call, is_over: &dyn Fn() -> bool) -> Reply {
        let mut state = self.lock();
        state.calls.push(call.clone());
        state.open += 1;
        state.most_open = state.most_open.max(state.open);
        let (mut state, reply) = self.decide(state, call, is_over);
        // Before the answer is on the wire: the next call may be here sooner than this thread
        // continues.
        state.open -= 1;
        reply
    }

    fn decide<'s>(
        &'s self,
        mut state: MutexGuard<'s, State>,
        call: &Call,
        is_over: &dyn Fn() -> bool,
    ) -> (MutexGuard<'s, State>, Reply) {
        let wait = call.parameter("wait").and_then(|wait| wait.parse().ok()).unwrap_or(0);
        let until = Instant::now() + Duration::from_secs(wait);
        loop {
            if let Some(reply) = state.polls.take() {
                return (state, reply);
            }
            let held = state.polls.holds();
            if !call.is_authorised() {
                let refusal = r#"{"error":{"code":"UNAUTHORIZED","message":"No"}}"#;
                return (state, Reply::Status(401, refusal.into()));
            }
            let place = state.feed.place(call.cursor());
            let left = until.saturating_duration_since(Instant::now());
            let answers = state.feed.has_news(&place) || call.cursor().is_none() || left.is_zero();
            if answers && !held {
                state.polls.told_the_truth();
                let asked = call.parameter("limit").and_then(|limit| limit.parse().ok()).unwrap_or(1000);
                let limit = state.page_limit.map_or(asked, |limit| limit.min(asked));
                let page = state.feed.page(&place, limit);
                return (state, Reply::Page(page));
            }
            if is_over() {
                return (state, Reply::Reset);
            }
            state = self.changed.wait_timeout(state, Duration::from_millis(100)).unwrap().0;
        }
    }

    /// What a call for signing keys is answered with.
    fn keys(&self, call: &Call, is_over: &dyn Fn() -> bool) -> Reply {
        let mut state = self.lock();
        state.calls.push(call.clone());
        loop {
            if let Some(reply) = state.key_calls.take() {
                return reply;
            }
            if !state.key_calls.holds() {
                let set = state.keys.as_ref().map(Value::to_string);
                return set.map_or(Reply::Status(404, "{}".into()), |set| Reply::Status(200, set));
            }
            if is_over() {
                return Reply::Reset;
            }
            state = self.changed.wait_timeout(state, Duration::from_millis(100)).unwrap().0;
        }
    }

    fn report(&self, call: &Call) -> Reply {
        let mut state = self.lock();
        state.calls.push(call.clone());
        match state.usage.take() {
            Some(reply) => reply,
            None if call.is_authorised() => Reply::Status(200, "{}".into()),
            None => Reply::Status(401, "{}".into()),
        }
    }
}

// === impl Call ===

impl Call {
    fn of(message: Message) -> Self {
        let mut words = message.start.split(' ');
        let method = words.next().unwrap_or_default().to_owned();
        let target = words.next().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (name.to_owned(), decoded(value))
        };
        Self {
            at: Instant::now(),
            method,
            path: path.to_owned(),
            query: query.split('&').filter(|text| !text.is_empty()).map(pair).collect(),
            headers: message.headers,
            body: message.body,
        }
    }

    fn is_authorised(&self) -> bool {
        self.header("authorization") == Some(&format!("Bearer {TOKEN}"))
    }
}

/// Takes percent-encoding off (RFC 3986 §2.1).
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        bytes.push(u8::from_str_radix(&after[..2], 16).expect("a percent sign has two digits"));
        rest = &after[2..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).expect("the query is UTF-8")
}
