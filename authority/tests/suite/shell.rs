use std::process::Stdio;

use clap::ValueEnum as _;
use clap_complete::Shell;
use flint::config::Database;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::harness::Backend;
use crate::program::{flint, flint_json, flint_with_input, stderr, stdout};

/// The codes that the documentation lists.
fn documented() -> Vec<i32> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/authority.md")).unwrap();
    let table = text.lines().skip_while(|line| !line.starts_with("| exit code |")).skip(2);
    let rows = table.take_while(|line| line.starts_with('|'));
    rows.map(|row| row.split('|').nth(1).unwrap().trim().parse().unwrap()).collect()
}

#[tokio::test]
async fn every_documented_exit_code_is_brought_about() {
    let test = Backend::Sqlite.database().await;
    let key = async |name| {
        let made =
            flint_json(&test.database, &["keys", "create", "--name", name, "--environment", "live"]).await;
        made["id"].as_str().unwrap().to_owned()
    };
    let (active, over, gone) = (key("a").await, key("b").await, key("c").await);
    flint_json(&test.database, &["keys", "revoke", &over]).await;
    flint_json(&test.database, &["keys", "revoke", &gone]).await;
    flint_json(&test.database, &["keys", "remove", &gone]).await;
    flint_json(&test.database, &["gateways", "create", "edge"]).await;
    let mut seen = Vec::new();
    for (arguments, input, code) in [
        (&["--version"][..], "", 0),
        (&["keys", "--help"], "", 0),
        (&["keys", "list"], "", 0),
        (&["keys", "due"], "", 0),
        (&["doctor"], "", 0),
        (&["--database", "sqlite:/nonexistent/flint.db", "gateways", "create", "a"], "", 1),
        (&["doctor", "--url", "http://127.0.0.1:1"], "", 1),
        (&["keys", "import", "/nonexistent.csv"], "", 1),
        (&["backup", "/nonexistent/flint.db"], "", 1),
        (&[], "", 2),
        (&["keys", "nonsense"], "", 2),
        (&["keys", "list", "--limit", "many"], "", 2),
        (&["keys", "create", "--name", "", "--environment", "live"], "", 2),
        (&["keys", "update", &active, "--permission", "*:*"], "", 2),
        (&["keys", "import", "-", "--format", "csv"], "sha256,name,environment\nx,y,live\n", 2),
        (&["keys", "check"], "sk_live_1", 2),
        (&["--database", "sqlite:/nonexistent/flint.db", "keys", "list"], "", 3),
        (&["keys", "show", "key_x"], "", 3),
        (&["keys", "revoke", &gone], "", 3),
        (&["keys", "revoke-leaked"], "flint_live_abc123xyz789", 3),
        (&["keys", "activity", "key_x"], "", 3),
        (&["gateways", "revoke", "nobody"], "", 3),
        (&["operators", "disable", "nobody"], "", 3),
        (&["tokens", "revoke", "nothing"], "", 3),
        (&["permissions", "withdraw", "no:such"], "", 3),
        (&["keys", "rotate", &over], "", 4),
        (&["keys", "update", &over, "--name", "other"], "", 4),
        (&["keys", "remove", &active], "", 4),
        (&["gateways", "create", "edge"], "", 4),
        (&["keys", "check"], "flint_live_abc123xyz789", 4),
        (&["keys", "due", "--within", "91d"], "", 10),
    ] {
        // With `--json` a program reads the code, without it a shell.
        for json in [&[][..], &["--json"]] {
            let ended = flint_with_input(&test.database, &[arguments, json].concat(), input).await;
            assert_eq!(ended.status.code(), Some(code), "{arguments:?} {json:?}: {}", stderr(&ended));
            assert_eq!(stderr(&ended).is_empty(), code == 0, "{arguments:?} {json:?}: {}", stderr(&ended));
        }
        seen.push(code);
    }
    seen.dedup();
    assert_eq!(seen, documented());
}

/// Who looks for something in a place that is mistyped hears of it, and finds no empty database
/// there afterwards.
#[tokio::test]
async fn a_database_that_is_not_there_is_not_made_by_who_looks_for_something() {
    let test = Backend::Sqlite.database().await;
    for words in [
        "keys list",
        "keys show key_1",
        "keys due",
        "keys update key_1 --name other",
        "keys rotate key_1",
        "keys revoke key_1",
        "keys remove key_1",
        "keys activity",
        "gateways list",
        "gateways revoke edge",
        "gateways rotate-token edge",
        "tokens list",
        "tokens revoke tok_1",
        "operators list",
        "operators set-password ada",
        "operators disable ada",
        "permissions list",
        "permissions withdraw documents:read",
        "audit",
        "doctor",
        "backup copy.db",
        "restore",
    ] {
        let arguments: Vec<_> = words.split(' ').collect();
        let ended = flint(&test.database, &arguments).await;
        assert_eq!(ended.status.code(), Some(3), "{words}: {}", stderr(&ended));
        assert!(stderr(&ended).contains("there is no database"), "{words}: {}", stderr(&ended));
        let left: Vec<_> = std::fs::read_dir(test.directory.path()).unwrap().collect();
        assert!(left.is_empty(), "{words}: {left:?}");
    }
}

/// The verbs that the help text lists.
async fn verbs(database: &Database, group: &[&str]) -> Vec<String> {
    let help = stdout(&flint(database, &[group, &["--help"]].concat()).await);
    let list =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    list.filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn every_shell_gets_a_script_that_names_every_verb() {
    let test = Backend::Sqlite.database().await;
    let mut names = verbs(&test.database, &[]).await;
    assert!(names.len() > 10, "{names:?}");
    for group in ["keys", "gateways", "tokens", "operators", "permissions"] {
        let inner = verbs(&test.database, &[group]).await;
        assert!(inner.len() > 3 && names.contains(&group.to_owned()), "{group}: {inner:?}");
        names.extend(inner);
    }
    for shell in Shell::value_variants() {
        let made = flint(&test.database, &["completions", &shell.to_string()]).await;
        assert!(made.status.success() && made.stderr.is_empty(), "{shell}: {}", stderr(&made));
        let script = stdout(&made);
        for name in &names {
            let is_named = script.split(|letter: char| !letter.is_alphanumeric() && letter != '-');
            assert!(is_named.into_iter().any(|word| word == name), "{shell}: {name}");
        }
    }
    assert_eq!(flint(&test.database, &["completions", "csh"]).await.status.code(), Some(2));
}

#[tokio::test]
async fn bash_completes_what_was_begun() {
    let test = Backend::Sqlite.database().await;
    let script = stdout(&flint(&test.database, &["completions", "bash"]).await);
    for (words, completed) in [
        ("flint ke", "keys"),
        ("flint keys revoke-", "revoke-leaked"),
        ("flint gateways rot", "rotate-token"),
        ("flint keys list --des", "--descending"),
        ("flint --color al", "always"),
    ] {
        let split: Vec<_> = words.split(' ').collect();
        let [.., before, last] = &split[..] else { panic!("two words at least") };
        let ask = format!(
            "{script}\nCOMP_WORDS=({words}); COMP_CWORD={}; _flint flint '{last}' '{before}'; echo \"${{COMPREPLY[@]}}\"\n",
            split.len() - 1
        );
        let bash = Command::new("bash").arg("-eu").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut bash = bash.unwrap();
        bash.stdin.take().unwrap().write_all(ask.as_bytes()).await.unwrap();
        let told = bash.wait_with_output().await.unwrap();
        assert_eq!(stdout(&told).trim(), completed, "{words}");
    }
}
