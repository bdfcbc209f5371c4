//! The command line: one file per verb, with the same functions as the API.
//!
//! What a program may want to read goes to standard output, and what a person should know goes to
//! standard error. No secret is ever taken from the arguments, which everyone on the machine can
//! see. Output is coloured for people and not for programs: see `colour.rs`.
//!
//! Exit codes: 0 done; 1 failed; 2 the request or the command line is wrong; 3 there is no such
//! thing; 4 refused by the state that the thing is in; 10 `keys due` found some.

mod audit;
mod backup;
mod colour;
mod doctor;
mod duration;
mod gateways;
mod keys;
mod mistake;
mod notices;
#[cfg(unix)]
mod open_files;
mod oauth;
mod operators;
mod output;
mod permissions;
mod serve;
mod tokens;
mod users;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use clap::{Args, ColorChoice, CommandFactory as _, Parser, Subcommand};

use crate::config::Database;
use crate::store::recovery::journal::Journal;
use crate::store::{Store, StoreError};

/// The authority of Flint Auth: creates, rotates and revokes API keys and feeds the gateways.
#[derive(Parser)]
#[command(name = "flint", version, max_term_width = 100, after_help = FIRST_STEPS)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What `flint help` ends with.
const FIRST_STEPS: &str = "\
First steps:
  flint serve                                     Start it; the first start shows how to sign in
  flint gateways create edge                      Register a gateway and print its token
  flint keys create --name CI --environment live  Create a key and print it
  flint doctor                                    Check all of it

Exit codes:
  0 done   1 failed   2 wrong arguments or input   3 not found   4 refused   10 keys due found some";

#[derive(Args)]
#[command(next_help_heading = "Global options")]
struct Global {
    /// The database: sqlite:<path> or postgres://<user>@<host>/<database>
    ///
    /// If the URL has a password, set it in the environment, not as an argument.
    #[arg(long, value_name = "URL", global = true, env = "FLINT_DATABASE", hide_env_values = true, default_value = "sqlite:flint.db", value_parser = Database::parse)]
    database: Database,
    /// The journal: a second record of revocations, for restoring a backup
    ///
    /// The default is <database>.revocations next to a SQLite file. With PostgreSQL it is
    /// flint-revocations.journal in the working directory.
    #[arg(long, global = true, env = "FLINT_JOURNAL", value_name = "FILE")]
    journal: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long, global = true)]
    json: bool,
    /// Whether to use colour; auto means on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", value_enum)]
    color: ColorChoice,
    /// What the command has opened.
    #[arg(skip)]
    opened: Mutex<Vec<Arc<Store>>>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the authority: dashboard, HTTP API and feed of the gateways
    Serve(serve::Serve),
    /// Create, list, show, rotate and revoke API keys
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Register gateways and see what each has applied
    #[command(subcommand)]
    Gateways(gateways::Gateways),
    /// Create and revoke API tokens for automation
    #[command(subcommand)]
    Tokens(tokens::Tokens),
    /// Add and disable people who sign in to the dashboard
    #[command(subcommand)]
    Operators(operators::Operators),
    /// Test the webhook that receives expiry notices
    #[command(subcommand)]
    Notices(notices::Notices),
    /// Edit the catalogue of permissions that the dashboard offers
    #[command(subcommand)]
    Permissions(permissions::Permissions),
    /// Register OAuth clients, see grants, rotate signing keys
    #[command(subcommand)]
    Oauth(oauth::Oauth),
    /// Add and disable the people who grant permissions to OAuth clients
    #[command(subcommand)]
    Users(users::Users),
    Audit(audit::Audit),
    Doctor(doctor::Doctor),
    Backup(backup::Backup),
    Restore(backup::Restore),
    /// Print the OpenAPI 3.1 document of the HTTP API
    Openapi,
    /// Print a shell completion script
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

/// The journal beside a PostgreSQL, where nothing else is said.
const JOURNAL: &str = "flint-revocations.journal";

/// An end with an exit code of its own.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Exit {
    code: u8,
    message: String,
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let (color, json) = colour::asked(std::env::args_os());
    colour::choose(color, json);
    let cli = Cli::parse();
    colour::choose(cli.global.color, cli.global.json);
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(run(cli)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

async fn run(Cli { global, command }: Cli) -> anyhow::Result<()> {
    let outcome = dispatch(&global, command).await;
    global.close().await;
    outcome
}

async fn dispatch(global: &Global, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(serve) => serve.run(global).await,
        Command::Keys(keys) => keys.run(global).await,
        Command::Gateways(gateways) => gateways.run(global).await,
        Command::Tokens(tokens) => tokens.run(global).await,
        Command::Operators(operators) => operators.run(global).await,
        Command::Notices(notices) => notices.run(global).await,
        Command::Permissions(permissions) => permissions.run(global).await,
        Command::Oauth(oauth) => oauth.run(global).await,
        Command::Users(users) => users.run(global).await,
        Command::Audit(audit) => audit.run(global).await,
        Command::Doctor(doctor) => doctor.run(global).await,
        Command::Backup(backup) => backup.run(global).await,
        Command::Restore(restore) => restore.run(global).await,
        Command::Openapi => output::json(&crate::serve::openapi()),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "flint", &mut script);
            output::raw(&String::from_utf8_lossy(&script))
        }
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    if let Some(exit) = error.downcast_ref::<Exit>() {
        match exit.code {
            2 | 3 => anstream::eprintln!("{} {}", colour::error(), exit.message),
            _ => anstream::eprintln!("{}", exit.message),
        }
        return ExitCode::from(exit.code);
    }
    let store_error = error.downcast_ref::<StoreError>();
    if let Some(StoreError::Invalid(mistakes)) = store_error {
        for mistake in mistakes {
            anstream::eprintln!(
                "{} {} {}",
                colour::error(),
                mistake::option(&mistake.field),
                mistake.message
            );
        }
    } else {
        anstream::eprintln!("{} {}", colour::error(), in_words(error));
    }
    ExitCode::from(match store_error {
        Some(StoreError::Invalid(_)) => 2,
        Some(StoreError::NotFound(_)) => 3,
        Some(
            StoreError::Refused(_)
            | StoreError::Exists(_)
            | StoreError::Full(_)
            | StoreError::NotPossible(_)
            | StoreError::GatewayRevoked
            | StoreError::KeyWasRevoked
            | StoreError::InUse
            | StoreError::NotABackup
            | StoreError::UsePostgresTools(_),
        ) => 4,
        _ => 1,
    })
}

/// The error and its causes, but for those that it tells already.
fn in_words(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text.push_str(&format!(": {cause}"));
        }
    }
    text
}

// === impl Global ===

impl Global {
    async fn open(&self) -> Result<Arc<Store>, StoreError> {
        let store = Arc::new(Store::open_with(&self.database, Some(self.journal())).await?);
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&store));
        Ok(store)
    }

    /// Ends the connections in order. A process that merely ends leaves the log of a SQLite
    /// database behind, and perhaps a database that is incomplete without it.
    async fn close(&self) {
        let opened = std::mem::take(&mut *self.opened.lock().unwrap_or_else(PoisonError::into_inner));
        for store in opened {
            store.close().await;
        }
    }

    /// Opens a database that must be there: who looks for something in a place that is mistyped
    /// wants to hear of it.
    async fn open_existing(&self) -> anyhow::Result<Arc<Store>> {
        if self.database.path().is_some_and(|path| !path.exists()) {
            let message = format!(
                "there is no database {}; flint serve creates one, and --database or FLINT_DATABASE selects another",
                self.database
            );
            return Err(Exit { code: 3, message }.into());
        }
        Ok(self.open().await?)
    }

    /// A server has no folder of its own for the journal, so it is where the program runs.
    fn journal(&self) -> Journal {
        let usual = || self.database.path().map_or_else(|| Journal::at(JOURNAL.into()), Journal::beside);
        self.journal.clone().map_or_else(usual, Journal::at)
    }
}
