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

/// Starts Envoy, tells its process id, and ends it once standard input ends: tests share gateways in statics, which
/// are never dropped, and a test program may be killed.
const KEEPER: &str = r#""$@" </dev/null & pid=$!; echo $pid >"$0"; read -r _; kill -TERM $pid; wait $pid"#;

/// A child process, and the files that it writes.
pub(super) struct Process {
    child: Child,
    log: PathBuf,
    admin: PathBuf,
    pid: u32,
}

// === impl Process ===

impl Process {
    pub(super) fn start(plan: &Plan) -> Result<Self, String> {
        let (log, admin, pid) = (plan.path("envoy.log"), plan.path("admin.address"), plan.path("envoy.pid"));
        let output = File::create(&log).expect("the directory is ours");
        let child = Command::new("sh")
            .args(["-c", KEEPER])
            .arg(&pid)
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
        let mut process = Self { child, log, admin, pid: 0 };
        process.until("the shell tells Envoy's process id", || file(&pid).ends_with('\n'))?;
        process.pid = file(&pid).trim().parse().expect("a process id is a number");
        Ok(process)
    }

    pub(super) fn admin_address(&self) -> Result<SocketAddr, String> {
        self.until("Envoy tells its admin address", || file(&self.admin).parse::<SocketAddr>().is_ok())?;
        Ok(file(&self.admin).parse().unwrap())
    }

    /// Waits for a condition for as long as Envoy lives; the error is Envoy's log.
    pub(super) fn until(&self, what: &str, mut condition: impl FnMut() -> bool) -> Result<(), String> {
        let begun = Instant::now();
        while !condition() {
            if self.pid != 0 && self.has_ended() {
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

    pub(super) const fn envoy_pid(&self) -> u32 {
        self.pid
    }

    /// Whether Envoy is gone: the shell reaps it late, so a zombie counts as gone.
    fn has_ended(&self) -> bool {
        let status = file(&PathBuf::from(format!("/proc/{}/status", self.pid)));
        status.is_empty() || status.contains("\nState:\tZ")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().expect("the shell is our child");
        if std::thread::panicking() {
            println!("--- Envoy's log ---\n{}", self.log());
        }
    }
}

/// The text of a file that another process writes; nothing where it is not there yet.
fn file(path: &PathBuf) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}
