//! Tokens: grants to a client for itself, and whole exchanges of a code, in a closed loop on each
//! of some connections.

use std::io::Write as _;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::load::{connect, read_answer};
use crate::number;

/// Gets `requests` tokens for the client itself. `basic` is what it authenticates with.
///
/// Prints the seconds that all took, and the microseconds of the median and of the one in a hundred
/// that is slowest.
pub(crate) fn grants(port: &str, requests: &str, connections: &str, basic: &str) -> Result<(), String> {
    let message = post(basic, "grant_type=client_credentials");
    run(port, requests, connections, &|stream| ask(stream, &message, "200").map(drop))
}

/// Makes `requests` codes at `target` with the session of `cookie`, and exchanges each. The client
/// needs a grant of all that it asks for, so that nobody is asked. Prints the same as [`grants`],
/// of both steps together.
pub(crate) fn exchanges(
    port: &str,
    requests: &str,
    connections: &str,
    basic: &str,
    target: &str,
    cookie: &str,
    verifier: &str,
) -> Result<(), String> {
    let begin = format!("GET {target} HTTP/1.1\r\nhost: localhost\r\ncookie: {cookie}\r\n\r\n");
    run(port, requests, connections, &|stream| {
        let led = ask(stream, &begin, "303")?;
        let code = code_of(&led).ok_or_else(|| format!("no code: {led}"))?;
        let body = format!("grant_type=authorization_code&code={code}&code_verifier={verifier}");
        ask(stream, &post(basic, &body), "200").map(drop)
    })
}

fn post(basic: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST /oauth/token HTTP/1.1\r\nhost: localhost\r\nauthorization: Basic {basic}\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

/// The code of a redirect.
fn code_of(answer: &str) -> Option<&str> {
    let line = answer.lines().find(|line| line.to_ascii_lowercase().starts_with("location:"))?;
    let (_, behind) = line.split_once("code=")?;
    behind.split('&').next()
}

fn ask(stream: &mut TcpStream, message: &str, status: &str) -> Result<String, String> {
    stream.write_all(message.as_bytes()).map_err(|error| error.to_string())?;
    let answer = String::from_utf8_lossy(&read_answer(stream)?).into_owned();
    if answer.get(9..12) == Some(status) { Ok(answer) } else { Err(format!("not {status}: {answer}")) }
}

fn run(
    port: &str,
    requests: &str,
    connections: &str,
    step: &(dyn Fn(&mut TcpStream) -> Result<(), String> + Sync),
) -> Result<(), String> {
    let (port, requests, connections) =
        (number(port)?, number::<usize>(requests)?, number::<usize>(connections)?);
    let each = requests.div_ceil(connections.max(1));
    let begun = Instant::now();
    let parts: Vec<Result<Vec<Duration>, String>> = thread::scope(|scope| {
        let talks: Vec<_> = (0..connections).map(|_| scope.spawn(|| talk(port, each, step))).collect();
        talks.into_iter().map(|talk| talk.join().unwrap_or_else(|_| Err("a thread failed".into()))).collect()
    });
    let seconds = begun.elapsed().as_secs_f64();
    let mut times = parts.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
    times.sort_unstable();
    let at = |share: f64| times.get((times.len() as f64 * share) as usize).map_or(0, Duration::as_micros);
    println!("{seconds:.6} {} {}", at(0.5), at(0.99));
    Ok(())
}

fn talk(
    port: u16,
    count: usize,
    step: &dyn Fn(&mut TcpStream) -> Result<(), String>,
) -> Result<Vec<Duration>, String> {
    let mut stream = connect(port).map_err(|error| error.to_string())?;
    (0..count)
        .map(|_| {
            let begun = Instant::now();
            step(&mut stream).map(|()| begun.elapsed())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_from_where_it_leads() {
        let answer = "HTTP/1.1 303 See Other\r\nLocation: https://a/cb?code=flint_code_x&state=y\r\n\r\n";
        assert_eq!(code_of(answer), Some("flint_code_x"));
        assert_eq!(code_of("HTTP/1.1 303 See Other\r\nlocation: https://a/cb?error=x\r\n\r\n"), None);
    }
}
