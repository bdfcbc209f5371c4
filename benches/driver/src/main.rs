//! The moving parts of `make bench`; `benches/run` starts them and does the arithmetic.
//!
//! - [`load`]: a fixed number of requests over a few connections, every answer checked;
//! - [`prober`]: one connection in a closed loop, for the longest request;
//! - [`feed`]: an authority with any number of synthetic keys (contract §6);
//! - [`answer`]: a server that answers 200 to everything, for `ext_authz`;
//! - [`tokens`]: an OAuth client that gets tokens, for itself or with codes;
//! - `spin`: nothing at all, for as long as it is let (`Awake` in benches/bench/build.py).
//!
//! Servers listen on a free port of the loopback and print it as their first line.

mod answer;
mod feed;
mod http;
mod keys;
mod load;
mod prober;
mod tokens;

use std::process::ExitCode;

const USAGE: &str = "usage:
  flint-bench load PORT REQUESTS CONNECTIONS STATUS HEADERS [KEYS|@FILE [FIRST]]
  flint-bench probe PORT STATUS HEADERS [KEY]
  flint-bench feed KEYS [plain|expiring|chosen]
  flint-bench answer
  flint-bench grants PORT REQUESTS CONNECTIONS BASIC
  flint-bench exchanges PORT REQUESTS CONNECTIONS BASIC TARGET COOKIE VERIFIER
  flint-bench spin";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match *words {
        ["load", port, requests, connections, status, headers, ref keys @ ..] => {
            load::run(port, requests, connections, status, headers, keys)
        }
        ["probe", port, status, headers] => prober::run(port, status, headers, None),
        ["probe", port, status, headers, key] => prober::run(port, status, headers, Some(key)),
        ["feed", keys] => feed::run(keys, "plain"),
        ["feed", keys, kind] => feed::run(keys, kind),
        ["answer"] => answer::run(),
        ["grants", port, requests, connections, basic] => tokens::grants(port, requests, connections, basic),
        ["exchanges", port, requests, connections, basic, target, cookie, verifier] => {
            tokens::exchanges(port, requests, connections, basic, target, cookie, verifier)
        }
        ["spin"] => loop {
            std::hint::spin_loop();
        },
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("flint-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A number of the command line.
fn number<T: std::str::FromStr>(word: &str) -> Result<T, String> {
    word.parse().map_err(|_| format!("{word} is not a number that fits"))
}
