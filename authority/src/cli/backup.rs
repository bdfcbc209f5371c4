//! `flint backup` and `flint restore`

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Global, colour, output};
use crate::clock;
use crate::store::recovery::journal::{ExpiryChange, Revocation};
use crate::store::recovery::{Recovered, backup};

/// Copy the database to a file while it is in use
#[derive(clap::Args)]
pub(super) struct Backup {
    /// The file to create
    file: PathBuf,
}

/// Replace the database with a backup; keys that were revoked since stay revoked
#[derive(clap::Args)]
pub(super) struct Restore {
    /// The backup; omit it if the database has already been restored by other means
    file: Option<PathBuf>,
}

/// What `backup --json` prints.
#[derive(Serialize)]
struct Copied<'a> {
    file: &'a Path,
}

/// What `restore --json` prints.
#[derive(Serialize)]
struct Restored<'a> {
    journal: Option<String>,
    revoked_again: &'a [Revocation],
    ended_again: &'a [ExpiryChange],
    previous_database: Option<PathBuf>,
}

impl Backup {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        global.open_existing().await?.back_up(&self.file).await?;
        if global.json {
            return output::json(&Copied { file: &self.file });
        }
        output::print(&format!("Copied the database to {}\n", self.file.display()))
    }
}

impl Restore {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let journal = global.journal();
        let journal = journal.path().exists().then(|| journal.path().display().to_string());
        let (recovered, kept) = match &self.file {
            Some(file) => backup::restore(&global.database, file, global.journal(), clock::now()).await?,
            None => (global.open_existing().await?.recover(true, clock::now()).await?, None),
        };
        if journal.is_none() {
            let warning = colour::warning();
            anstream::eprintln!(
                "{warning} there was no journal: keys that were revoked after the backup was made are valid again"
            );
        }
        if global.json {
            let (revoked_again, ended_again) = (&recovered.replayed, &recovered.ended);
            let restored = Restored { journal, revoked_again, ended_again, previous_database: kept };
            return output::json(&restored);
        }
        output::print(&describe(&recovered, journal.as_deref()))?;
        output::print(
            "Tokens and operators are as they were in the backup: revoke or disable again those that you did since.\n",
        )?;
        if let Some(kept) = kept {
            output::print(&format!("Kept the previous database as {}\n", kept.display()))?;
        }
        Ok(())
    }
}

fn describe(recovered: &Recovered, journal: Option<&str>) -> String {
    let mut text = String::from("Restored. Each gateway fetches the whole key table with its next call.\n");
    if let Some(journal) = journal.filter(|_| recovered.replayed.is_empty() && recovered.ended.is_empty()) {
        text.push_str(&format!("The journal {journal} has nothing that the backup lacks.\n"));
    }
    for entry in &recovered.replayed {
        text.push_str(&format!(
            "{} is revoked again, as of {}\n",
            entry.id,
            clock::to_text(entry.revoked_at)
        ));
    }
    for end in &recovered.ended {
        text.push_str(&format!("{} ends {} again\n", end.id, output::time(end.expires_at, "never")));
    }
    text
}
