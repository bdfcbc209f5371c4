//! The whole product once: keys made with the real `flint`, decided by a real Envoy on a shipped
//! configuration.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Request, http1::Connection};
use crate::expect;
use crate::harness::{Gateway, eventually};
use crate::shipped::{self, LISTENER, Peers};
use crate::upstream::Upstream;

/// A running `flint serve` on its own database.
struct Flint {
    directory: TempDir,
    child: Child,
    address: SocketAddr,
}

/// The program: what `FLINT` names, else what Cargo built next to this test.
fn program() -> PathBuf {
    let beside = || {
        let test = std::env::current_exe().expect("the test has a path");
        test.ancestors().nth(2).map(|directory| directory.join("flint"))
    };
    let path = std::env::var_os("FLINT").map(PathBuf::from).or_else(beside).expect("there is a path");
    assert!(path.is_file(), "{} is missing: run `make flint`, or set FLINT", path.display());
    path
}

fn flint(directory: &Path) -> Command {
    let mut command = Command::new(program());
    command.current_dir(directory).env("FLINT_DATABASE", "sqlite:flint.db");
    command
}

// === impl Flint ===

impl Flint {
    fn start() -> Self {
        let directory = TempDir::new().expect("a directory can be made");
        let mut child = flint(directory.path())
            .args(["serve", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("flint starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let address = lines.find_map(|line| line.ok()?.split_once("http://")?.1.trim().parse().ok());
        Self { directory, child, address: address.expect("flint says where it listens") }
    }

    /// Runs `flint` on the same database; the answer is its JSON.
    fn run(&self, arguments: &[&str]) -> Value {
        let output =
            flint(self.directory.path()).arg("--json").args(arguments).output().expect("flint starts");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("flint prints JSON")
    }
}

impl Drop for Flint {
    fn drop(&mut self) {
        // It may have ended by itself, which the test has then noticed.
        drop(self.child.kill());
        self.child.wait().expect("flint is our child");
    }
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or_else(|| panic!("{field} is no text in {value}"))
}

/// Waits until every worker gives this answer. Returns how often each status came.
#[track_caller]
fn all_answer(connections: &mut [Connection], request: &Request, status: u16) -> BTreeMap<u16, u64> {
    let mut came = BTreeMap::new();
    for connection in connections {
        eventually("every worker knows", || {
            let answered = connection.send(request).status;
            *came.entry(answered).or_default() += 1;
            answered == status
        });
    }
    came
}

#[test]
fn a_key_lives_from_its_making_to_its_revocation_and_is_counted() {
    let (flint, upstream) = (Flint::start(), Upstream::start("production"));
    let token = flint.run(&["gateways", "create", "edge"]);
    let peers = Peers { authority: flint.address, upstream: upstream.address, sandbox: upstream.address };
    let file =
        shipped::all().into_iter().find(|file| file.name() == "permissions").expect("permissions.yaml");
    let plan = file.plan(&peers).workers(4).process_variable("FLINT_GATEWAY_TOKEN", text(&token, "token"));
    let gateway = Gateway::start(plan);
    let mut connections = gateway.connections(LISTENER);
    let get = |key: &Value| Request::get("/documents").bearer(text(key, "secret"));

    let make =
        ["keys", "create", "--name", "Reader", "--environment", "live", "--permission", "documents:read"];
    let old = flint.run(&make);
    let mut allowed = all_answer(&mut connections, &get(&old), 200)[&200];
    let post = Request::new("POST", "/documents").bearer(text(&old, "secret"));
    expect::denied(&connections[0].send(&post), "missing_permission");

    // Rotated by hand: a second key, then the end of the first.
    let new = flint.run(&make);
    let mut allowed_new = all_answer(&mut connections, &get(&new), 200)[&200];
    allowed += all_answer(&mut connections, &get(&old), 200)[&200];
    let begun = Instant::now();
    flint.run(&["keys", "revoke", text(&old, "id")]);
    let after = all_answer(&mut connections, &get(&old), 401);
    println!("a revocation by command line is refused everywhere after {:?}", begun.elapsed());
    // A call that nobody wakes is held for 25 seconds.
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    allowed += after.get(&200).copied().unwrap_or(0);
    expect::denied(&connections[0].send(&get(&old)), "revoked");
    allowed_new += all_answer(&mut connections, &get(&new), 200)[&200];

    let expected = [
        (&old, json!({"allowed": allowed, "missing_permission": 1, "revoked": after[&401] + 1})),
        (&new, json!({"allowed": allowed_new})),
    ];
    eventually("every request is counted", || {
        let counted = |key: &Value| flint.run(&["keys", "activity", text(key, "id")])["totals"].clone();
        expected.iter().all(|(key, totals)| counted(key) == *totals)
    });
    assert!(!flint.run(&["keys", "show", text(&new, "id")])["last_used_at"].is_null());
}
