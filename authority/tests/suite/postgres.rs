//! One PostgreSQL server for all tests of this process, and a database in it for each.
//!
//! `FLINT_TEST_POSTGRES` may name a running server (a URL whose user may make databases). Otherwise
//! `tools/postgres` finds or installs one; if it cannot, the tests on PostgreSQL fail, unless
//! `FLINT_TEST_POSTGRES=none` says to leave them out. The server ends with this process, however
//! that ends: a shell stands between them, and its standard input is a pipe that only this process
//! holds.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use flint::config::Database;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _};

struct Server {
    /// The URL of a database of it, with `{}` for the name.
    url: String,
    /// Held for its standard input.
    _shell: Option<Child>,
}

/// PostgreSQL does not run as root, so this looks for a user to become, as `setpriv` wants it. That
/// user may be unable to reach a checkout that belongs to root; then it gets a copy of the
/// programs.
const SCRIPT: &str = r#"
set -e
directory=$1; binaries=$2
as=""
if [ "$(id -u)" = 0 ]; then
    for user in postgres nobody; do id "$user" >/dev/null 2>&1 && break; done
    chown "$user" "$directory"
    as="setpriv --reuid=$user --regid=$(id -g "$user") --clear-groups"
    if ! $as test -x "$binaries/initdb"; then
        mkdir "$directory/postgresql"
        cp -R "$binaries/.." "$directory/postgresql/"
        chown -R "$user" "$directory/postgresql"
        binaries=$directory/postgresql/bin
    fi
fi
cd "$directory"
$as "$binaries/initdb" -D "$directory/data" -U flint -A trust -E UTF8 --locale=C --no-sync >initdb.log 2>&1
$as "$binaries/postgres" -D "$directory/data" -c listen_addresses= -c "unix_socket_directories=$directory" \
    -c fsync=off -c max_connections=400 >postgres.log 2>&1 &
server=$!
until [ -S "$directory/.s.PGSQL.5432" ] && grep -q "ready to accept" postgres.log; do
    kill -0 $server
    sleep 0.05
done
echo ready
cat >/dev/null || true
kill -INT $server
wait $server || true
rm -rf "$directory"
"#;

static SERVER: OnceLock<Option<Server>> = OnceLock::new();
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// Whether there is a PostgreSQL to test on, which must be so unless somebody has said that there
/// is none.
pub(crate) fn is_there() -> bool {
    if std::env::var("FLINT_TEST_POSTGRES").is_ok_and(|word| word == "none") {
        return false;
    }
    assert!(SERVER.get_or_init(start).is_some(), "there is no PostgreSQL, and tools/postgres says why above");
    true
}

/// A new, empty database.
pub(crate) async fn new_database() -> Database {
    let server = SERVER.get_or_init(start).as_ref().unwrap();
    let number = DATABASES.fetch_add(1, Ordering::Relaxed);
    let name = format!("flint_test_{}_{number}", std::process::id());
    let mut connection = PgConnection::connect(&server.url.replace("{}", "postgres")).await.unwrap();
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    Database::parse(&server.url.replace("{}", &name)).unwrap()
}

fn start() -> Option<Server> {
    if let Ok(url) = std::env::var("FLINT_TEST_POSTGRES") {
        let (place, parameters) = url.split_once('?').unwrap_or((&url, ""));
        let (place, _) = place.rsplit_once('/').unwrap();
        return Some(Server { url: format!("{place}/{{}}?{parameters}"), _shell: None });
    }
    let binaries = binaries()?;
    let directory = tempfile::Builder::new().prefix("flint-postgres-").tempdir().unwrap().keep();
    open_to_all(&directory);
    let mut shell = Command::new("sh")
        .args(["-c", SCRIPT, "sh"])
        .args([&directory, &binaries])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let log = || std::fs::read_to_string(directory.join("initdb.log")).unwrap_or_default();
    assert_eq!(line, "ready\n", "PostgreSQL did not start: {}", log());
    let url = format!("postgres://flint@localhost/{{}}?host={}", directory.display());
    Some(Server { url, _shell: Some(shell) })
}

/// The folder with `initdb` and `postgres`.
fn binaries() -> Option<PathBuf> {
    let tool = concat!(env!("CARGO_MANIFEST_DIR"), "/../tools/postgres");
    let output = Command::new("python3").arg(tool).stderr(Stdio::inherit()).output().unwrap();
    let found = String::from_utf8(output.stdout).unwrap();
    output.status.success().then(|| PathBuf::from(found.trim_end()))
}

/// The user that the server becomes must be able to reach its folder.
fn open_to_all(directory: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755)).unwrap();
}
