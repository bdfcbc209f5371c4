//! Envoy's process: started under a shell that ends it when this program ends.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::bootstrap::Plan;
use super::find;

/// How long Envoy may take to load its configuration and compile the filter.
const START: Duration = Duration::from_secs(60);

/// Starts Envoy, tells how it ended, and ends it once standard input ends: tests share gateways in
/// statics, which are never dropped, and a test program may be killed.
const KEEPER: &str = r#"
exec 3<&0
"$@" </dev/null 3<&- & pid=$!
{ read -r _ <&3; [ -e "$0" ] || kill -TERM $pid; } &
wait $pid; echo $? >"$0""#;

/// What Envoy logs when a wasm module traps.
const TRAPPED: &str = " failed: Uncaught ";

/// A child process, and the files that it writes.
pub(super) struct Process {
    child: Child,
    log: PathBuf,
    admin: PathBuf,
    ended: PathBuf,
    may_trap: bool,
}

// === impl Process ===

impl Process {
    pub(super) fn start(plan: &Plan) -> Self {
        let (log, admin, ended) = (plan.path("envoy.log"), plan.path("admin.address"), plan.path("ended"));
        let output = File::create(&log).expect("the directory is ours");
        let child = Command::new("sh")
            .args(["-c", KEEPER])
            .arg(&ended)
            .arg(find::envoy())
            .args(plan.arguments())
            .arg("--admin-address-path")
            .arg(&admin)
            .current_dir(super::root())
            .env_remove("FLINT_GATEWAY_TOKEN")
            .envs(plan.environment.clone())
            .stdin(Stdio::piped())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .expect("a shell starts");
        Self { child, log, admin, ended, may_trap: plan.may_trap }
    }

    pub(super) fn admin_address(&self) -> Result<SocketAddr, String> {
        self.until("Envoy tells its admin address", || file(&self.admin).parse::<SocketAddr>().is_ok())?;
        Ok(file(&self.admin).parse().unwrap())
    }

    /// Waits for a condition for as long as Envoy lives; the error is Envoy's log.
    pub(super) fn until(&self, what: &str, mut condition: impl FnMut() -> bool) -> Result<(), String> {
        let begun = Instant::now();
        while !condition() {
            if self.has_ended() {
                return Err(self.log());
            }
            assert!(begun.elapsed() < START, "within {START:?}: {what}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    pub(super) fn log(&self) -> String {
        file(&self.log)
    }

    /// Whether a wasm module has trapped.
    pub(super) fn has_trapped(&self) -> bool {
        self.log().contains(TRAPPED)
    }

    /// Whether Envoy is gone.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.exists()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let ended_before = self.has_ended();
        drop(self.child.stdin.take());
        self.child.wait().expect("the shell is our child");
        let (log, status) = (self.log(), file(&self.ended));
        if std::thread::panicking() {
            println!("--- Envoy's log ---\n{log}");
            return;
        }
        // One that refused its configuration has ended with 1, and whoever started it knows.
        assert!(ended_before || status.trim() == "0", "Envoy ended with {status}\n{log}");
        assert!(self.may_trap || !self.has_trapped(), "the filter trapped\n{log}");
    }
}

/// The text of a file that another process writes; nothing where it is not there yet.
fn file(path: &PathBuf) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}
