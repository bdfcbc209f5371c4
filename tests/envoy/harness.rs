//! A real Envoy for as long as a test needs it.
//!
//! Ports are free ones: every listener binds port 0, and Envoy is asked what it got. The process
//! ends with the [`Gateway`], or with the test program, whatever becomes of that. Its log is shown
//! when the test fails.

mod bootstrap;
mod find;
mod process;
mod statistics;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;

pub(crate) use self::bootstrap::Plan;
pub(crate) use self::find::{faulty_wasm, wasm};
use self::process::Process;
pub(crate) use self::statistics::Statistics;
use crate::client::http1;

/// A running Envoy whose listeners are ready.
pub(crate) struct Gateway {
    process: Process,
    admin: SocketAddr,
    listeners: BTreeMap<String, SocketAddr>,
    plan: Plan,
}

/// How long something is awaited that must come. It says nothing of how soon it should: the machine
/// may be slow.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until a condition holds, and fails with `what` if it never does.
#[track_caller]
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    assert!(comes_true(PATIENCE, &mut condition), "within {PATIENCE:?}: {what}");
}

/// Waits until there is a value, and fails with `what` if there never is.
#[track_caller]
pub(crate) fn awaited<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let mut value = None;
    comes_true(PATIENCE, &mut || {
        value = attempt();
        value.is_some()
    });
    value.unwrap_or_else(|| panic!("within {PATIENCE:?}: {what}"))
}

/// Checks for a while that a condition continues to hold.
#[track_caller]
pub(crate) fn throughout(what: &str, period: Duration, mut condition: impl FnMut() -> bool) {
    assert!(!comes_true(period, &mut || !condition()), "for {period:?}: {what}");
}

fn comes_true(within: Duration, condition: &mut dyn FnMut() -> bool) -> bool {
    let until = Instant::now() + within;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() > until {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Now, in whole Unix seconds.
#[expect(clippy::disallowed_methods, reason = "the one place where the suite reads the clock")]
pub(crate) fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(since.expect("the clock is past 1970").as_secs()).unwrap()
}

// === impl Gateway ===

impl Gateway {
    /// Starts Envoy on a plan; fails the test where Envoy refuses it.
    #[track_caller]
    pub(crate) fn start(plan: Plan) -> Self {
        Self::try_start(plan).unwrap_or_else(|log| panic!("Envoy does not start:\n{log}"))
    }

    /// Starts Envoy on a plan; the error is the log of an Envoy that refused it.
    pub(crate) fn try_start(plan: Plan) -> Result<Self, String> {
        let process = Process::start(&plan);
        let admin = process.admin_address()?;
        let mut gateway = Self { process, admin, listeners: BTreeMap::new(), plan };
        gateway.process.until("Envoy is ready", || {
            http1::get(admin, "/ready").is_ok_and(|answer| answer.status == 200)
        })?;
        if gateway.statistic("listener_manager.lds.update_rejected") > 0 {
            return Err(gateway.log());
        }
        gateway.listeners = gateway.bound_listeners();
        Ok(gateway)
    }

    /// The address of the listener of this name.
    #[track_caller]
    pub(crate) fn listener(&self, name: &str) -> SocketAddr {
        *self.listeners.get(name).unwrap_or_else(|| panic!("there is no listener {name}"))
    }

    /// The address of the plan's first listener.
    pub(crate) fn address(&self) -> SocketAddr {
        self.listener(&self.plan.listeners[0].name)
    }

    /// Opens connections until every worker of a listener has at least two.
    #[track_caller]
    pub(crate) fn connections(&self, listener: &str) -> Vec<http1::Connection> {
        let address = self.listener(listener);
        let workers = format!("listener.{listener}.worker_");
        let mut connections = Vec::new();
        eventually("every worker has two connections", || {
            connections.extend((0..8).map(|_| http1::Connection::open(address)));
            let statistics = self.statistics();
            let active = statistics.holding(".downstream_cx_active");
            let busy = active.filter(|(name, value)| name.starts_with(&workers) && *value >= 2);
            busy.count() == self.plan.workers
        });
        connections
    }

    /// What the admin page of this path says.
    pub(crate) fn admin(&self, path: &str) -> String {
        let answer = http1::get(self.admin, path).expect("the admin page answers");
        String::from_utf8(answer.body).expect("the admin page is text")
    }

    /// All statistics, as they are now.
    pub(crate) fn statistics(&self) -> Statistics {
        Statistics::parse(&self.admin("/stats?format=json"))
    }

    /// The value of one statistic; absent is 0.
    pub(crate) fn statistic(&self, name: &str) -> u64 {
        self.statistics().value(name)
    }

    /// All that Envoy has logged so far.
    pub(crate) fn log(&self) -> String {
        self.process.log()
    }

    /// The access log so far, a JSON object a request.
    pub(crate) fn access_log(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.plan.path("access.log")).unwrap_or_default();
        // The last line may be half-written.
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Whether the process still runs.
    pub(crate) fn is_running(&self) -> bool {
        !self.process.has_ended()
    }

    /// Checks that Envoy runs and that the filter has not trapped, as is checked of every gateway
    /// at its end.
    #[track_caller]
    pub(crate) fn is_unharmed(&self) {
        assert!(self.is_running() && !self.has_trapped(), "{}", self.log());
    }

    /// Whether a wasm module of this process has trapped.
    pub(crate) fn has_trapped(&self) -> bool {
        self.process.has_trapped()
    }

    /// Replaces a listener's plugin configuration, through file xDS; returns once Envoy has taken
    /// or refused it.
    #[track_caller]
    pub(crate) fn reconfigure(&mut self, listener: &str, configuration: Value) -> Result<(), String> {
        let before = self.statistics();
        let (taken, refused) =
            ("listener_manager.lds.update_success", "listener_manager.lds.update_rejected");
        let logged = self.log().len();
        self.plan.reconfigure(listener, configuration);
        self.plan.write_listeners();
        let mut now = before.clone();
        eventually("Envoy sees the new listeners", || {
            now = self.statistics();
            now.value(taken) + now.value(refused) > before.value(taken) + before.value(refused)
        });
        if now.value(refused) > before.value(refused) { Err(self.log().split_off(logged)) } else { Ok(()) }
    }

    fn bound_listeners(&self) -> BTreeMap<String, SocketAddr> {
        let page: Value = serde_json::from_str(&self.admin("/listeners?format=json")).expect("JSON");
        let listeners = page["listener_statuses"].as_array().cloned().unwrap_or_default();
        let address = |status: &Value| {
            let socket = &status["local_address"]["socket_address"];
            let port = u16::try_from(socket["port_value"].as_u64()?).ok()?;
            Some(SocketAddr::new(socket["address"].as_str()?.parse().ok()?, port))
        };
        listeners
            .iter()
            .filter_map(|status| Some((status["name"].as_str()?.to_owned(), address(status)?)))
            .collect()
    }
}

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
