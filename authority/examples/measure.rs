//! What the authority costs at a million keys on SQLite: `benches/run --only authority` builds and
//! runs this, and writes the result, a Markdown table on standard output, into docs/benchmarks.md.
//!
//! The server is the program itself, which stands in the folder above this one's, so that its
//! memory and time are its own. `FLINT_BENCH_KEYS` sets another number of keys.

#[path = "../tests/suite/client.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod client;

use std::process::Stdio;
use std::time::{Duration, Instant};

use client::Client;
use flint::clock;
use flint::config::Database;
use flint::store::people::api_tokens::NewApiToken;
use flint::store::{Actor, Store};
use serde_json::json;
use sqlx::Connection as _;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

const POLLS: usize = 1_000;
const GATEWAYS: usize = 100;
const ENTRIES: usize = 1_000;
const REVOKED: &str = "key_00000000000000000000000005";

struct Bench {
    child: Child,
    client: Client,
    api: Client,
    gateway: Client,
    store: Store,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let keys: u32 =
        std::env::var("FLINT_BENCH_KEYS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let directory = tempfile::tempdir().unwrap();
    let database = Database::Sqlite(directory.path().join("flint.db"));
    let bench = Bench::start(&database, keys).await;
    println!("| {} keys on SQLite | measured | wanted |\n|---|---:|---:|", thousands(keys));
    bench.creates().await;
    bench.reads().await;
    bench.held_calls().await;
    bench.reports().await;
}

impl Bench {
    async fn start(database: &Database, keys: u32) -> Self {
        let store = Store::open(database).await.unwrap();
        fill(database, keys).await;
        let actor = Actor::system();
        let new = NewApiToken { name: "bench".into(), permissions: vec!["*".into()], expires_at: None };
        let (_, api) = store.create_api_token(new, clock::now(), &actor).await.unwrap();
        let (_, gateway) = store.create_gateway("bench", clock::now(), &actor).await.unwrap();
        let flint = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().join("flint");
        let mut child = Command::new(flint)
            .args(["serve", "--listen", "127.0.0.1:0", "--database"])
            .arg(database.to_string())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next_line().await.unwrap().unwrap();
        let client = Client::new(line.strip_prefix("flint listens on ").unwrap());
        let api = client.with_token(api.reveal());
        let gateway = client.with_token(gateway.reveal());
        Self { child, client, api, gateway, store }
    }

    async fn creates(&self) {
        let mut times = Vec::new();
        for number in 0..500 {
            let body = json!({"name": format!("bench {number}"), "environment": "live"});
            let begun = Instant::now();
            self.api.post("/v1/keys", &body).await.ok();
            times.push(begun.elapsed());
        }
        times.sort();
        row("create a key, p50 / p99", &format!("{} / {}", ms(times[250]), ms(times[495])), "p99 < 20 ms");
    }

    async fn reads(&self) {
        let gateway = self.gateway.with("x-flint-gateway", "bench");
        for (what, client, path, wanted) in [
            ("list page of 50, newest first", &self.api, "/v1/keys?order=desc", "< 50 ms"),
            ("list page of 50, by name", &self.api, "/v1/keys?sort=name", "< 50 ms"),
            (
                "list page of 50, active, by expiry",
                &self.api,
                "/v1/keys?status=active&sort=expires",
                "< 50 ms",
            ),
            ("list page of 50, of one owner", &self.api, "/v1/keys?owner=org_777", "< 50 ms"),
            ("list page of 50, search", &self.api, "/v1/keys?search=key+77", ""),
            ("search without a match", &self.api, "/v1/keys?search=nothing+like+it", ""),
            ("first table page of 1,000", &gateway, "/v1/key-table", "< 50 ms"),
            ("table page of 10,000", &gateway, "/v1/key-table?limit=10000", ""),
            ("metrics", &self.client, "/metrics", ""),
        ] {
            let mut times = Vec::new();
            for _ in 0..11 {
                let begun = Instant::now();
                assert!(client.get(path).await.status.is_success());
                times.push(begun.elapsed());
            }
            times.sort();
            row(what, &format!("{} (worst {})", ms(times[5]), ms(times[10])), wanted);
        }
        let (mut cursor, begun) = (String::new(), Instant::now());
        loop {
            let page = gateway.get(&format!("/v1/key-table?limit=10000&cursor={cursor}")).await.ok();
            cursor = page["cursor"].as_str().unwrap().into();
            if page["more"] == false {
                break;
            }
        }
        row("the whole table in pages of 10,000", &ms(begun.elapsed()), "");
    }

    async fn held_calls(&self) {
        let before = self.memory();
        let latest = self.gateway.with("x-flint-gateway", "bench").get("/v1/key-table?limit=1").await.ok();
        let cursor = latest["cursor"].as_str().unwrap();
        let epoch = cursor.rsplit_once('.').unwrap().0;
        let path =
            format!("/v1/key-table?wait=60&cursor={epoch}.{}", self.store.latest_change().await.unwrap());
        let calls: Vec<_> = (0..POLLS)
            .map(|number| {
                let gateway = self.gateway.with("x-flint-gateway", &format!("bench-{number}"));
                let path = path.clone();
                tokio::spawn(async move { (gateway.get(&path).await.ok(), Instant::now()) })
            })
            .collect();
        self.until_held().await;
        let memory = self.memory();
        row("memory with 1,000 held calls", &format!("{memory} MiB ({before} before)"), "< 150 MiB");
        let cpu = self.cpu();
        tokio::time::sleep(Duration::from_secs(5)).await;
        let share = (self.cpu() - cpu) / 5.0 * 100.0;
        row("CPU with 1,000 held calls", &format!("{share:.1} % of a core"), "near zero");
        // From another process, as the command line does it: that has a longer way to the held
        // calls than the API.
        let begun = Instant::now();
        self.store.revoke_key(REVOKED, None, clock::now(), &Actor::system()).await.unwrap();
        let mut times = Vec::new();
        for call in calls {
            let (page, at) = call.await.unwrap();
            let keys = page["keys"].as_array().unwrap();
            assert!(keys.len() == 1 && keys[0]["id"] == REVOKED && keys[0]["revoked_at"].is_i64(), "{page}");
            times.push(at.saturating_duration_since(begun));
        }
        times.sort();
        let told = format!("{} / {}", ms(times[POLLS / 2]), ms(times[POLLS - 1]));
        row("a revocation delivered to 1,000 held calls, p50 / last", &told, "< 1 s");
    }

    /// Every gateway reports a thousand keys every ten seconds, for half a minute.
    async fn reports(&self) {
        let (begun, cpu) = (Instant::now(), self.cpu());
        let mut slowest = Duration::ZERO;
        for round in 0..3_u32 {
            for number in 0..GATEWAYS {
                let due = Duration::from_secs(10) * round + Duration::from_millis(100) * number as u32;
                tokio::time::sleep(due.saturating_sub(begun.elapsed())).await;
                let gateway = self.gateway.with("x-flint-gateway", &format!("bench-{number}"));
                let now = clock::now();
                let entries: Vec<_> = (0..ENTRIES)
                    .map(|key| {
                        let id = format!("key_{:026}", number * ENTRIES + key + 1);
                        json!({"key_id": id, "outcome": "allowed", "count": 3, "last_used": now})
                    })
                    .collect();
                let id = format!("bench-{number}-{round}");
                let body = json!({"report_id": id, "from": now - 10, "to": now, "entries": entries});
                let sent = Instant::now();
                gateway.post("/v1/usage", &body).await.ok();
                slowest = slowest.max(sent.elapsed());
            }
        }
        while self.store.pending_reports().await.unwrap() > 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let share = (self.cpu() - cpu) / begun.elapsed().as_secs_f64() * 100.0;
        row("100 gateways × 1,000 different keys every 10 s", &format!("{share:.0} % of a core"), "< 50 %");
        row("slowest report", &ms(slowest), "");
    }

    async fn until_held(&self) {
        loop {
            let text = self.client.get("/metrics").await;
            let text = String::from_utf8_lossy(&text.body).into_owned();
            if text.contains(&format!("flint_held_calls {POLLS}")) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Resident memory in MiB.
    fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id().unwrap())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    }

    /// Seconds of CPU so far.
    fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id().unwrap())).unwrap();
        let fields: Vec<_> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
    }
}

/// Fills the table faster than the program would, with rows as it would make them.
async fn fill(database: &Database, keys: u32) {
    let url = database.to_string().replace("sqlite:", "sqlite://");
    let mut connection = sqlx::AnyConnection::connect(&url).await.unwrap();
    let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1) \
        INSERT INTO api_key (id, digest, change_seq, version, name, environment, hint, permissions, owner, expires_at, \
        rotate_by, created_at, created_by, updated_at) SELECT printf('key_%026d', i), randomblob(32), i, 1, \
        'key ' || i, CASE i % 10 WHEN 0 THEN 'test' ELSE 'live' END, 'flint_live_abcd…wxyz', \
        '[\"documents:read\",\"documents:write\"]', 'org_' || (i % 50000), 1900000000 + i, 1900000000 + i, \
        1700000000 + i, 'cli:bench', 1700000000 + i FROM n";
    sqlx::query(sql).bind(i64::from(keys)).execute(&mut connection).await.unwrap();
    let sql = "UPDATE feed SET change_seq = $1";
    sqlx::query(sql).bind(i64::from(keys)).execute(&mut connection).await.unwrap();
}

fn row(what: &str, measured: &str, wanted: &str) {
    println!("| {what} | {measured} | {wanted} |");
}

/// `1000000` as `1,000,000`.
fn thousands(number: u32) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1_000.0)
}
