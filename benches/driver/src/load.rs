//! Load: a fixed number of requests over a few connections in lockstep. Each connection has one
//! request under way; all requests are written, then all responses are read, so that the load is
//! the same in every round, whatever Envoy does with it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use crate::http::whole;
use crate::keys::key;
use crate::number;

/// Sends `requests` and prints how many seconds they took. Every answer must have the status asked
/// for.
///
/// The file `headers` holds the head of the request; `{key}` in it becomes one of the keys from
/// `FIRST` on, taken in an order that jumps about; or, if `KEYS` is `@` and a file, the file's
/// lines from `FIRST` on, one after the other.
pub(crate) fn run(
    port: &str,
    requests: &str,
    connections: &str,
    status: &str,
    headers: &str,
    keys: &[&str],
) -> Result<(), String> {
    let (port, requests, connections) =
        (number(port)?, number::<usize>(requests)?, number::<usize>(connections)?);
    let credentials = Credentials::read(keys)?;
    let template = template(headers)?;
    // Made before the clock starts: the generator has a core to itself, but not all machines have
    // two.
    let messages: Vec<String> =
        (0..requests).map(|n| template.replace("{key}", &credentials.of(n))).collect();
    let mut streams = (0..connections)
        .map(|_| connect(port))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| error.to_string())?;
    let started = Instant::now();
    for batch in messages.chunks(connections) {
        for (stream, message) in streams.iter_mut().zip(batch) {
            stream.write_all(message.as_bytes()).map_err(|error| error.to_string())?;
        }
        for stream in streams.iter_mut().take(batch.len()) {
            let answer = read_answer(stream)?;
            if answer.get(9..12) != Some(status.as_bytes()) {
                return Err(format!("not the answer {status}: {}", String::from_utf8_lossy(&answer)));
            }
        }
    }
    println!("{:.6}", started.elapsed().as_secs_f64());
    Ok(())
}

/// What requests show.
enum Credentials {
    /// So many keys from a first one on.
    Keys(u32, u32),
    /// Lines of a file, and the first of them.
    Lines(Vec<String>, usize),
}

impl Credentials {
    fn read(words: &[&str]) -> Result<Self, String> {
        let first = words.get(1).copied().unwrap_or("0");
        match words.first().map(|keys| (keys.strip_prefix('@'), keys)) {
            None => Ok(Self::Keys(1, 0)),
            Some((None, keys)) => Ok(Self::Keys(number(keys)?, number(first)?)),
            Some((Some(path), _)) => {
                let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
                let lines: Vec<String> = text.lines().map(str::to_owned).collect();
                if lines.is_empty() {
                    Err(format!("{path} is empty"))
                } else {
                    Ok(Self::Lines(lines, number(first)?))
                }
            }
        }
    }

    fn of(&self, n: usize) -> String {
        match self {
            Self::Keys(keys, first) => key(pick(n, *keys, *first)),
            Self::Lines(lines, first) => lines[(first + n) % lines.len()].clone(),
        }
    }
}

/// The head of a request from a file of lines, ready to be sent.
pub(crate) fn template(path: &str) -> Result<String, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    Ok(text.lines().map(|line| format!("{line}\r\n")).collect::<String>() + "\r\n")
}

/// A connection to a port of the loopback.
pub(crate) fn connect(port: u16) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Reads one answer, to its end.
pub(crate) fn read_answer(stream: &mut TcpStream) -> Result<Vec<u8>, String> {
    let mut held = Vec::with_capacity(2_048);
    let mut chunk = [0; 4_096];
    while whole(&held).is_none() {
        let read = stream.read(&mut chunk).map_err(|error| error.to_string())?;
        if read == 0 {
            return Err(format!("closed after {:?}", String::from_utf8_lossy(&held)));
        }
        held.extend_from_slice(&chunk[..read]);
    }
    Ok(held)
}

/// One of `keys` numbers from `first` on. Multiplying by an odd constant of 32 bits visits them in
/// no pattern that a cache could follow.
fn pick(n: usize, keys: u32, first: u32) -> u32 {
    let mixed = (n as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    first + (mixed % u64::from(keys.max(1))) as u32
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn picks_stay_in_range_and_spread() {
        let picked: HashSet<u32> = (0..10_000).map(|n| pick(n, 1_000_000, 7)).collect();
        assert!(picked.iter().all(|n| (7..1_000_007).contains(n)));
        assert!(picked.len() > 9_500, "{}", picked.len());
        assert_eq!(pick(3, 1, 5), 5);
    }
}
