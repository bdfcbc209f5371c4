//! The snippets of the documentation run as they are printed, except for the host (contract §1).

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::LazyLock;

use flint_contract::key::Digest;

use crate::harness::root;
use crate::keys::Key;
use crate::scene::{Scene, configuration};

/// The key that the documentation prints.
const PRINTED: &str = "flint_live_abc123xyz789";

/// The first fenced block of this language in the page for users.
fn snippet(language: &str) -> String {
    let page = std::fs::read_to_string(root().join("docs/quickstart.md")).expect("the page is there");
    let (_, block) = page.split_once(&format!("```{language}\n")).expect("the page has such a block");
    block.split_once("```").expect("the block ends").0.to_owned()
}

/// Node.js, and a directory where Python finds `requests`: pinned ones, so that all machines run
/// the same.
fn clients() -> (PathBuf, PathBuf) {
    static FOUND: LazyLock<(PathBuf, PathBuf)> = LazyLock::new(|| {
        let output = Command::new(root().join("tools/clients")).output().expect("tools/clients runs");
        let text = String::from_utf8(output.stdout).expect("paths are text");
        let mut lines = text.lines().map(PathBuf::from);
        (lines.next().expect("Node.js is found"), lines.next().expect("requests is found"))
    });
    FOUND.clone()
}

fn run(language: &str, text: &str) -> Output {
    let directory = tempfile::TempDir::new().expect("a directory can be made");
    let file = directory.path().join(if language == "javascript" { "snippet.mjs" } else { "snippet" });
    std::fs::write(&file, text).expect("the directory is ours");
    let mut command = match language {
        "bash" => Command::new("sh"),
        "javascript" => Command::new(clients().0),
        _ => {
            let mut python = Command::new("python3");
            python.env("PYTHONPATH", clients().1);
            python
        }
    };
    command.arg(&file).output().expect("the interpreter starts")
}

#[test]
fn the_snippets_work_as_printed_with_the_printed_key_and_with_that_alone() {
    let scene = Scene::start(1, configuration(serde_json::json!({})));
    let key = Key { secret: PRINTED.to_owned(), ..Key::live("printed") }
        .with("sha256", Digest::of(PRINTED.as_bytes()).to_hex())
        .may(&["documents:read"]);
    scene.authority.publish([&key]);
    let host = format!("http://{}", scene.gateway.address());
    for language in ["bash", "javascript", "python"] {
        let printed = snippet(language);
        assert!(
            printed.contains(PRINTED) && printed.contains("https://api.example.com/documents"),
            "{printed}"
        );
        let text = printed.replace("https://api.example.com", &host);
        let output = run(language, &text);
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{language}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(told.contains("production") && told.contains(&key.id), "{language}: {told}");
        let refused = run(language, &text.replace(PRINTED, "flint_live_mistyped"));
        let told = String::from_utf8_lossy(&refused.stdout).into_owned();
        assert!(told.contains("INVALID_API_KEY"), "{language}: {told}");
    }
}
