//! Every file in `envoy/` boots, and every `curl` in its heading gets the answer that is printed
//! next to it.

use std::process::Command;

use crate::authority::Authority;
use crate::harness::{Gateway, eventually};
use crate::keys::Key;
use crate::shipped::{self, LISTENER, Peers, Shipped};
use crate::tls::Terminator;
use crate::upstream::Upstream;

/// What a heading asks for.
#[derive(Debug)]
enum Line {
    /// A key: its variable, and the key itself.
    Key(String, Key),
    /// A request: the shell command.
    Curl(String),
    /// What the request before gets, each time: statuses, and a text in the last answer.
    Answer(Vec<String>, String),
    /// What Envoy writes about the request before: texts of one line.
    Log(Vec<String>),
}

/// Reads a heading. The lines are: `NAME_KEY: live, grants…`, `$ curl …`, `> 200, 429 text`,
/// `> log text … text`.
fn heading(text: &str) -> Vec<Line> {
    let lines = text.lines().map_while(|line| line.strip_prefix('#')).map(str::trim);
    lines.filter_map(line).collect()
}

fn line(line: &str) -> Option<Line> {
    if let Some(command) = line.strip_prefix("$ curl ") {
        return Some(Line::Curl(format!("curl --silent --show-error {command}")));
    }
    if let Some(texts) = line.strip_prefix("> log ") {
        return Some(Line::Log(texts.split(" … ").map(str::to_owned).collect()));
    }
    if let Some(answer) = line.strip_prefix("> ") {
        let digits = |word: &&str| word.trim_end_matches(',').bytes().all(|byte| byte.is_ascii_digit());
        let statuses: Vec<String> =
            answer.split(' ').take_while(digits).map(|word| word.trim_end_matches(',').to_owned()).collect();
        let rest = answer.split(' ').skip(statuses.len()).collect::<Vec<_>>().join(" ");
        return Some(Line::Answer(statuses, rest));
    }
    let (name, rest) = line.split_once("_KEY: ")?;
    let (environment, grants) = rest.split_once(", ")?;
    let key = if environment == "live" { Key::live("shown") } else { Key::test("shown") };
    let grants: Vec<&str> = grants.split(' ').collect();
    Some(Line::Key(format!("{name}_KEY"), key.may(&grants)))
}

/// Runs a heading against a gateway that runs its file.
fn try_out(name: &str, lines: &[Line], gateway: &Gateway) {
    let mut command = String::new();
    let address = gateway.listener(LISTENER);
    let mut curls = 0;
    for line in lines {
        match line {
            Line::Key(..) => {}
            Line::Curl(text) => command = text.replace("localhost:10000", &address.to_string()),
            Line::Answer(statuses, text) => {
                curls += 1;
                let answers: Vec<String> = statuses.iter().map(|_| curl(&command, lines)).collect();
                let got: Vec<&str> = answers.iter().filter_map(|answer| answer.split(' ').nth(1)).collect();
                assert_eq!(got, *statuses, "{name}: {command}\n{answers:#?}");
                assert!(answers[answers.len() - 1].contains(text), "{name}: {command}: {text}\n{answers:#?}");
            }
            Line::Log(texts) => {
                eventually(&format!("{name}: the log has {texts:?}"), || {
                    gateway.log().lines().any(|line| texts.iter().all(|text| line.contains(text)))
                });
            }
        }
    }
    assert!(curls > 0, "{name}: there is no curl beside it");
}

/// The answer as `curl -i` shows it.
fn curl(command: &str, lines: &[Line]) -> String {
    let keys = lines.iter().filter_map(|line| match line {
        Line::Key(name, key) => Some((name, &key.secret)),
        _ => None,
    });
    let output = Command::new("sh").args(["-c", command]).envs(keys).output().expect("a shell starts");
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("the answer is text")
}

fn run(file: Shipped) {
    let name = file.name();
    let (authority, upstream, sandbox) =
        (Authority::start(), Upstream::start("production"), Upstream::start("sandbox"));
    let mut peers =
        Peers { authority: authority.address(), upstream: upstream.address, sandbox: sandbox.address };
    let lines = heading(&file.text);
    let terminator = file.text.contains("UpstreamTlsContext").then(|| {
        let terminator = Terminator::start("authority.internal", authority.address());
        peers.authority = terminator.address();
        terminator
    });
    let file = match &terminator {
        Some(terminator) => file.replace("certs/authority-ca.pem", &terminator.ca().display().to_string()),
        None => file,
    };
    // So that no token comes back while the requests are made, however long they take.
    let text = file.text.replace("fill_interval: 60s", "fill_interval: 36000s");
    let gateway = Gateway::start(Shipped { text, ..file }.plan(&peers).workers(2));
    authority.publish(lines.iter().filter_map(|line| match line {
        Line::Key(_, key) => Some(key),
        _ => None,
    }));
    try_out(&name, &lines, &gateway);
}

#[test]
fn every_shipped_configuration_boots_and_answers_as_its_heading_says() {
    shipped::all().into_iter().for_each(run);
}

#[test]
fn every_shipped_configuration_has_the_guard_and_the_hardening() {
    for file in shipped::all() {
        for needed in [
            "key: wasm.flint_outcome, string_match: {exact: allowed}",
            "failure_policy: FAIL_RELOAD",
            "allowed_capabilities:",
            "host_env_keys: [FLINT_GATEWAY_TOKEN]",
            "use_remote_address: true",
            "normalize_path: true",
            "merge_slashes: true",
            "path_with_escaped_slashes_action: REJECT_REQUEST",
            "headers_with_underscores_action: REJECT_REQUEST",
            "request_timeout:",
            "stream_idle_timeout:",
        ] {
            assert!(file.text.contains(needed), "{}: {needed} is missing", file.name());
        }
    }
}

#[test]
fn a_shipped_configuration_keeps_what_nobody_holds_the_capability_for() {
    // Without the table's own host calls the filter must refuse, and Envoy must continue.
    let file = shipped::all().into_iter().find(|file| file.name() == "minimal").expect("minimal.yaml");
    let (authority, upstream) = (Authority::start(), Upstream::start("production"));
    let peers =
        Peers { authority: authority.address(), upstream: upstream.address, sandbox: upstream.address };
    let file = file.replace("proxy_get_shared_data: {}", "proxy_get_shared_data_not: {}");
    let gateway = Gateway::start(file.plan(&peers));
    let request = crate::client::Request::get("/documents").bearer("flint_live_any");
    for protocol in crate::client::Protocol::ALL {
        let answer = request.send(protocol, gateway.listener(LISTENER));
        assert!(matches!(answer.status, 401 | 403 | 503), "{answer:?}");
    }
    assert!(gateway.is_running() && upstream.received().is_empty());
}
