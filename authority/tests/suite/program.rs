//! The program `flint` as a process.

use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use flint::config::Database;
use rustix::process::{Pid, Signal};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::client::Client;
use crate::harness::PATIENCE;

/// A running `flint serve`. It is killed when dropped.
pub(crate) struct Serving {
    pub(crate) child: Child,
    pub(crate) client: Client,
    lines: Lines<BufReader<ChildStdout>>,
}

/// The URL with everything that `Display` leaves out.
pub(crate) fn url(database: &Database) -> String {
    match database {
        Database::Sqlite(path) => format!("sqlite:{}", path.display()),
        Database::Postgres(url) => url.clone(),
    }
}

/// A connection of its own to a database.
pub(crate) async fn connect(database: &Database) -> sqlx::AnyConnection {
    use sqlx::Connection as _;
    sqlx::AnyConnection::connect(&url(database).replace("sqlite:", "sqlite://")).await.unwrap()
}

pub(crate) fn command(database: &Database) -> Command {
    command_of(env!("CARGO_BIN_EXE_flint"), database)
}

/// Any program, with what `flint` reads from the environment.
pub(crate) fn command_of(program: &str, database: &Database) -> Command {
    let mut command = Command::new(program);
    command.env("FLINT_DATABASE", url(database)).env_remove("FLINT_LISTEN").kill_on_drop(true);
    command
        .env_remove("FLINT_JOURNAL")
        .env_remove("FLINT_NOTIFY_WEBHOOK")
        .env_remove("FLINT_NOTIFY_WEBHOOK_FILE");
    command.env_remove("FLINT_NOTIFY_WEBHOOK_SECRET").env_remove("FLINT_NOTIFY_WEBHOOK_SECRET_FILE");
    if let Database::Postgres(url) = database {
        // Not all tests' journals in one, and none in the folder where the tests run.
        let (place, parameters) = url.split_once('?').unwrap_or((url, ""));
        let folder = parameters.strip_prefix("host=").unwrap_or(env!("CARGO_TARGET_TMPDIR"));
        let name = place.rsplit('/').next().unwrap_or_default();
        command.env("FLINT_JOURNAL", format!("{folder}/{name}.journal"));
    }
    command.env_remove("NO_COLOR").env_remove("CLICOLOR").env_remove("CLICOLOR_FORCE");
    command
}

/// Runs a verb to its end.
pub(crate) async fn flint(database: &Database, arguments: &[&str]) -> Output {
    command(database).args(arguments).stdin(Stdio::null()).output().await.unwrap()
}

/// Runs a verb with something on its standard input.
pub(crate) async fn flint_with_input(database: &Database, arguments: &[&str], input: &str) -> Output {
    let mut command = command(database);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
    child.wait_with_output().await.unwrap()
}

/// Runs a verb that must succeed, with `--json`.
pub(crate) async fn flint_json(database: &Database, arguments: &[&str]) -> Value {
    let output = flint(database, &[arguments, &["--json"]].concat()).await;
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Returns when the server holds a call.
pub(crate) async fn until_held(client: &Client) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let metrics = client.get("/metrics").await;
        if String::from_utf8_lossy(&metrics.body).lines().any(|line| line == "flint_held_calls 1") {
            return;
        }
        assert!(Instant::now() < deadline, "no call is held");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Sends a signal to a program that still runs.
pub(crate) fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(child.id().unwrap().cast_signed()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

impl Serving {
    /// Starts `flint serve` on a free port and waits until it listens.
    pub(crate) async fn start(database: &Database, arguments: &[&str]) -> Self {
        let mut child = command(database)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut stderr = child.stderr.take().unwrap();
        // Read to the end, or the program would wait once the pipe is full.
        let log = tokio::spawn(async move {
            let mut log = Vec::new();
            stderr.read_to_end(&mut log).await.unwrap();
            String::from_utf8_lossy(&log).into_owned()
        });
        let Some(line) = lines.next_line().await.unwrap() else {
            panic!("flint serve ended before it listened: {}", log.await.unwrap());
        };
        let base = line.strip_prefix("flint listens on ").expect("the first line says where it listens");
        Self { client: Client::new(base), child, lines }
    }

    /// The next line that it prints.
    pub(crate) async fn next_line(&mut self) -> String {
        self.lines.next_line().await.unwrap().expect("flint serve ended")
    }

    /// Whatever else it prints until it is told to end.
    pub(crate) async fn everything_it_prints(mut self) -> Vec<String> {
        signal(&self.child, Signal::TERM);
        let mut lines = Vec::new();
        while let Some(line) = self.lines.next_line().await.unwrap() {
            lines.push(line);
        }
        lines
    }

    /// As an operator or a supervisor ends it: SIGTERM.
    pub(crate) async fn terminate(mut self) -> std::process::ExitStatus {
        signal(&self.child, Signal::TERM);
        self.child.wait().await.unwrap()
    }

    /// As nothing should end it: SIGKILL.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}
