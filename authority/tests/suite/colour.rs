use std::process::{Output, Stdio};

use flint::config::Database;

use crate::harness::Backend;
use crate::program::{command, flint, flint_json, stderr, stdout};

const ESCAPE: char = '\u{1b}';

/// Runs a verb without a terminal, with something in its environment.
async fn run(database: &Database, environment: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = command(database);
    command.args(arguments).envs(environment.iter().copied()).stdin(Stdio::null()).output().await.unwrap()
}

/// Runs a verb on a terminal, whose text this is.
async fn on_terminal(database: &Database, environment: &[(&str, &str)], arguments: &[&str]) -> String {
    let flint = command(database);
    let script = "import pty, sys; pty.spawn(sys.argv[1:])";
    let mut terminal = tokio::process::Command::new("python3");
    terminal.args(["-c", script]).arg(flint.as_std().get_program()).args(arguments);
    for (name, value) in flint.as_std().get_envs() {
        match value {
            Some(value) => terminal.env(name, value),
            None => terminal.env_remove(name),
        };
    }
    terminal.env("TERM", "xterm").env_remove("CI").envs(environment.iter().copied());
    stdout(&terminal.stdin(Stdio::null()).output().await.unwrap())
}

/// A database with a key that is active and one that is revoked.
async fn two_keys() -> crate::harness::TestDatabase {
    let test = Backend::Sqlite.database().await;
    for name in ["good", "bad"] {
        flint_json(&test.database, &["keys", "create", "--name", name, "--environment", "live"]).await;
    }
    let keys = flint_json(&test.database, &["keys", "list", "--sort", "name"]).await;
    flint_json(&test.database, &["keys", "revoke", keys["keys"][0]["id"].as_str().unwrap()]).await;
    test
}

#[tokio::test]
async fn colour_comes_where_it_is_asked_for() {
    let test = two_keys().await;
    let list = ["keys", "list"];
    let (force, no) = (("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1"));
    for (environment, option, coloured) in [
        (&[][..], &[][..], false),
        (&[], &["--color", "auto"], false),
        (&[], &["--color", "always"], true),
        (&[], &["--color", "never"], false),
        (&[force], &[], true),
        (&[force], &["--color=never"], false),
        (&[force, no], &[], false),
        (&[no], &["--color=always"], true),
    ] {
        let case = format!("{environment:?} {option:?}");
        let told = run(&test.database, environment, &[&list[..], option].concat()).await;
        assert_eq!(stdout(&told).contains(ESCAPE), coloured, "{case}: {}", stdout(&told));
        // An error of ours, one of the command line, and help, which ends before the options are
        // read.
        for bad in [&["keys", "show", "key_x"][..], &["keys", "nonsense"]] {
            let told = run(&test.database, environment, &[option, bad].concat()).await;
            assert_eq!(stderr(&told).contains(ESCAPE), coloured, "{case}: {}", stderr(&told));
            let plain = anstream::adapter::strip_str(&stderr(&told)).to_string();
            assert!(plain.starts_with("error: "), "{case}: {plain}");
        }
        let help = run(&test.database, environment, &[option, &["keys", "--help"]].concat()).await;
        assert_eq!(stdout(&help).contains(ESCAPE), coloured, "{case}");
    }
    let wrong = flint(&test.database, &["--color", "purple", "keys", "list"]).await;
    assert_eq!(wrong.status.code(), Some(2));
}

#[tokio::test]
async fn a_state_has_its_colour_and_columns_stay_where_they_are() {
    let test = two_keys().await;
    let list = async |color| run(&test.database, &[], &["--color", color, "keys", "list"]).await;
    let (plain, coloured) = (stdout(&list("never").await), stdout(&list("always").await));
    assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), plain);
    assert!(
        coloured.contains("\u{1b}[32mactive\u{1b}[0m") && coloured.contains("\u{1b}[31mrevoked\u{1b}[0m")
    );
    assert!(coloured.starts_with("\u{1b}[1mID\u{1b}[0m "), "{coloured}");
    let column = plain.lines().next().unwrap().find("STATUS").unwrap();
    let words: Vec<_> = plain.lines().skip(1).map(|line| &line[column..column + 7]).collect();
    assert_eq!(words, ["active ", "revoked"]);
    let examined = stdout(&run(&test.database, &[], &["--color", "always", "doctor"]).await);
    assert!(examined.contains("\u{1b}[32mok\u{1b}[0m    database"), "{examined}");
}

#[tokio::test]
async fn what_is_for_programs_has_no_colour() {
    let test = two_keys().await;
    for arguments in [
        &["keys", "list", "--json"][..],
        &["doctor", "--json"],
        &["audit", "--json"],
        &["audit", "--csv"],
        &["keys", "activity", "--csv"],
        &["keys", "show", "key_x", "--json"],
        &["keys", "nonsense", "--json"],
        &["openapi"],
        &["completions", "bash"],
    ] {
        let told =
            run(&test.database, &[("CLICOLOR_FORCE", "1")], &[&["--color", "always"], arguments].concat())
                .await;
        assert!(!stdout(&told).contains(ESCAPE) && !stderr(&told).contains(ESCAPE), "{arguments:?}");
        assert!(!told.stdout.is_empty() || !told.stderr.is_empty(), "{arguments:?}");
    }
    // A script takes a secret as it stands.
    let made = run(
        &test.database,
        &[],
        &["--color=always", "keys", "create", "--name", "a", "--environment", "live"],
    );
    let made = made.await;
    assert!(stderr(&made).contains(ESCAPE) && stdout(&made).starts_with("flint_live_"));
    assert_eq!(stdout(&made).len(), "flint_live_".len() + 28 + 1);
}

#[cfg(unix)]
#[tokio::test]
async fn a_terminal_has_colour_unless_something_speaks_against_it() {
    let test = two_keys().await;
    for (environment, more, coloured) in [
        (&[][..], &[][..], true),
        (&[("TERM", "dumb")], &[], false),
        (&[("NO_COLOR", "1")], &[], false),
        (&[("NO_COLOR", "")], &[], true),
        (&[], &["--color", "never"], false),
        (&[], &["--json"], false),
    ] {
        let told = on_terminal(&test.database, environment, &[&["keys", "list"], more].concat()).await;
        assert!(told.contains("revoked"), "{told}");
        assert_eq!(told.contains(ESCAPE), coloured, "{environment:?} {more:?}: {told}");
    }
}
