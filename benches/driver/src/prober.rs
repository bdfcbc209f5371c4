//! The longest request: one connection, one request after the other, until standard input ends.
//! While it continues, any line on standard input prints what there was since the last one.

use std::io::{BufRead, Write, stdin};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;
use std::time::Instant;

use crate::keys::key;
use crate::load::{connect, read_answer, template};
use crate::number;

/// Latencies since the last report, in nanoseconds.
#[derive(Debug, Default)]
struct Latencies(Vec<u64>);

/// Probes, and prints for each line of standard input: requests, then the median, the 99th and
/// 99.9th percentile and the longest in microseconds, how many took more than 5 ms, and the five
/// longest.
///
/// With `key_number` it is the key of that number that asks, else one that no key looks like.
pub(crate) fn run(port: &str, status: &str, headers: &str, key_number: Option<&str>) -> Result<(), String> {
    let credential = match key_number {
        Some(n) => key(number(n)?),
        None => "flint_live_malformed!".to_owned(),
    };
    let message = template(headers)?.replace("{key}", &credential);
    let mut stream = connect(number(port)?).map_err(|error| error.to_string())?;
    let lines = lines();
    let mut latencies = Latencies::default();
    loop {
        match lines.try_recv() {
            Ok(()) => println!("{}", std::mem::take(&mut latencies).report()),
            Err(TryRecvError::Disconnected) => return Ok(()),
            Err(TryRecvError::Empty) => {}
        }
        let started = Instant::now();
        stream.write_all(message.as_bytes()).map_err(|error| error.to_string())?;
        let answer = read_answer(&mut stream)?;
        latencies.0.push(u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX));
        if answer.get(9..12) != Some(status.as_bytes()) {
            return Err(format!("not the answer {status}: {}", String::from_utf8_lossy(&answer)));
        }
    }
}

/// A message for each line of standard input; hangs up at its end.
fn lines() -> Receiver<()> {
    let (send, receive) = channel();
    thread::spawn(move || stdin().lock().lines().map_while(Result::ok).all(|_| send.send(()).is_ok()));
    receive
}

impl Latencies {
    fn report(mut self) -> String {
        self.0.sort_unstable();
        let at = |share: f64| {
            let index = ((self.0.len() as f64 * share) as usize).min(self.0.len().saturating_sub(1));
            self.0.get(index).map_or(0.0, |nanoseconds| *nanoseconds as f64 / 1e3)
        };
        let slow = self.0.iter().filter(|nanoseconds| **nanoseconds > 5_000_000).count();
        let longest: Vec<String> =
            self.0.iter().rev().take(5).map(|n| format!("{:.0}", *n as f64 / 1e3)).collect();
        let longest = longest.join(" ");
        format!("{} {:.0} {:.0} {:.0} {slow} {longest}", self.0.len(), at(0.5), at(0.99), at(0.999))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_percentiles_and_the_longest() {
        let thousand = Latencies((1..=1_000).map(|n| n * 10_000).collect());
        assert_eq!(thousand.report(), "1000 5010 9910 10000 500 10000 9990 9980 9970 9960");
        assert_eq!(Latencies::default().report(), "0 0 0 0 0 ");
    }
}
