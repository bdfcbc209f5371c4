//! A test run names everything that it lacks, all at once, before anything runs.

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

const TOOLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tools");
const TARGETS: [&str; 4] = ["test-unit", "test-envoy", "test-oauth", "test-dashboard"];

/// Runs it; returns whether it succeeded, and what it printed and said.
async fn run(command: &mut Command) -> (bool, String, String) {
    let output = command.stdin(Stdio::null()).output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

/// `tools/preflight` on a machine that has these programs alone.
fn preflight(path: &Path) -> Command {
    let mut command = Command::new("/bin/sh");
    command.arg(Path::new(TOOLS).join("preflight")).env("PATH", path);
    for chosen in ["CC", "CXX", "CARGO", "PYTHON"] {
        command.env_remove(chosen);
    }
    command
}

/// `tools/parts`, which keeps what it installs in this folder.
fn parts(store: &Path) -> Command {
    let mut command = Command::new("python3");
    command.args(["-B", &format!("{TOOLS}/parts")]).env("FLINT_TOOLS", store);
    command
}

#[tokio::test]
async fn all_that_a_machine_lacks_is_said_at_once() {
    let empty = tempfile::tempdir().unwrap();
    let (passed, printed, said) = run(preflight(empty.path()).args(TARGETS)).await;
    assert!(!passed && printed.is_empty(), "{printed}{said}");
    for missing in ["cargo: install Rust with rustup", "a C compiler", "Python 3.11 or later", "curl", "bash"]
    {
        assert!(said.contains(missing), "{missing}: {said}");
    }
    assert!(said.contains("apt-get install make gcc libc6-dev python3 python3-venv bash curl"), "{said}");
    assert!(!said.contains("installing"), "{said}");
}

#[tokio::test]
async fn packages_that_are_missing_can_be_listed_for_a_script() {
    let empty = tempfile::tempdir().unwrap();
    let (passed, printed, _) = run(preflight(empty.path()).args(["--packages", "fuzz", "lint"])).await;
    assert!(passed);
    assert_eq!(printed, "make g++ gcc libc6-dev python3 python3-venv git\n");
}

#[tokio::test]
async fn one_part_that_cannot_be_had_hides_none_of_the_others() {
    let store = tempfile::tempdir().unwrap();
    let missing = store.path().join("chromium");
    let mut command = parts(store.path());
    command.args(["chromium", "postgres"]).env("CHROMIUM", &missing).env("FLINT_TEST_POSTGRES", "none");
    let (passed, _, said) = run(&mut command).await;
    assert!(!passed);
    assert!(said.contains("which is not a program that can be run"), "{said}");
    assert!(said.contains("chromium      MISSING") && said.contains("tests run on SQLite alone"), "{said}");
}

#[tokio::test]
async fn a_registry_that_cannot_be_reached_is_named_with_what_to_do() {
    let store = tempfile::tempdir().unwrap();
    let mut command = parts(store.path());
    // Nobody listens on the port for discarding.
    command.arg("clients").env("PIP_INDEX_URL", "http://127.0.0.1:9/").env("PIP_RETRIES", "0");
    let (passed, _, said) = run(&mut command).await;
    assert!(!passed);
    assert!(said.contains("PIP_INDEX_URL") && said.contains("clients       MISSING"), "{said}");
    let left: Vec<_> = store.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["clients.lock"], "an installation is whole or absent");
}

/// The wheels are for newer Pythons than the rest needs, and pip would not say so.
#[tokio::test]
async fn an_old_python_is_told_what_the_tools_need() {
    let ask = async |version: &str| {
        let script = format!("import wheelhouse; wheelhouse._refuse_if_too_old('schemathesis', {version})");
        let mut python = Command::new("python3");
        let (passed, _, said) = run(python.args(["-B", "-c", &script]).env("PYTHONPATH", TOOLS)).await;
        (passed, said)
    };
    assert_eq!(ask("(3, 11, 0)").await, (true, String::new()));
    let (passed, said) = ask("(3, 10, 14)").await;
    assert!(!passed && said.contains("needs Python 3.11 or later, and this is 3.10.14"), "{said}");
}
