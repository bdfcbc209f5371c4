//! The journal of revocations: a small file beside the database, to which lines are only ever added.
//!
//! A backup is older than what happened since. Restoring one must not bring a revoked key back, so every revocation is
//! also written here, and on the disk before it is committed: a line of a revocation that then failed costs nothing,
//! a revocation without its line would. The file is not part of a backup; it stays where it is when one is restored.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use flint_auth::key::Digest;
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::model::Key;

/// Where the journal is.
#[derive(Clone, Debug)]
pub struct Journal {
    path: PathBuf,
}

/// One revocation.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Entry {
    /// The digest of the key, in hexadecimal.
    pub sha256: String,
    /// The key's public id.
    pub id: String,
    /// From when on it is refused, in Unix seconds.
    pub revoked_at: i64,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Journal {
    /// The journal in this file, which need not exist yet.
    #[must_use]
    pub const fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// The journal beside a database in a file.
    #[must_use]
    pub fn beside(database: &Path) -> Self {
        let mut path = database.as_os_str().to_owned();
        path.push(".revocations");
        Self { path: path.into() }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds lines; when this returns they are on the disk.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub async fn append(&self, entries: &[Entry]) -> Result<(), StoreError> {
        let mut text = String::new();
        for entry in entries {
            text.push_str(&serde_json::to_string(entry).map_err(|_| StoreError::Corrupt("a revocation"))?);
            text.push('\n');
        }
        let path = self.path.clone();
        let written = tokio::task::spawn_blocking(move || write(&path, text))
            .await
            .unwrap_or_else(|error| Err(std::io::Error::other(error)));
        written.map_err(|error| self.failed(error))
    }

    /// Every revocation by digest, the earliest of each. A torn last line, of a machine that stopped, is left out.
    ///
    /// # Errors
    /// Where the file is there and cannot be read.
    pub fn read(&self) -> Result<HashMap<Digest, Entry>, StoreError> {
        let file = match std::fs::File::open(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(HashMap::new()),
            opened => opened.map_err(|error| self.failed(error))?,
        };
        let mut entries = HashMap::<Digest, Entry>::new();
        // By bytes: a line may be torn within a letter.
        for line in BufReader::new(file).split(b'\n') {
            let line = line.map_err(|error| self.failed(error))?;
            let Ok(entry) = serde_json::from_slice::<Entry>(&line) else {
                continue;
            };
            if let Some(digest) = Digest::parse_hex(&entry.sha256) {
                let first = entries.entry(digest).or_insert_with(|| entry.clone());
                first.revoked_at = first.revoked_at.min(entry.revoked_at);
            }
        }
        Ok(entries)
    }

    fn failed(&self, error: std::io::Error) -> StoreError {
        StoreError::File(self.path.display().to_string(), error)
    }
}

/// Adds text to the file, on a line of its own, and waits for the disk.
fn write(path: &Path, mut text: String) -> std::io::Result<()> {
    let is_new = !path.exists();
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    if is_torn(&mut file)? {
        text.insert(0, '\n');
    }
    // One write, so that the lines of several programs do not mix.
    file.write_all(text.as_bytes())?;
    file.sync_data()?;
    if is_new {
        // The name of a new file is on the disk only with its folder.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        std::fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

/// Whether the last line has no end, because the machine stopped while it was written.
fn is_torn(file: &mut std::fs::File) -> std::io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

impl Entry {
    /// The line of a key, if it is revoked.
    #[must_use]
    pub fn of(key: &Key) -> Option<Self> {
        let revoked_at = key.revoked_at?;
        let reason = key.revoke_reason.clone();
        Some(Self { sha256: key.digest.to_hex(), id: key.id.clone(), revoked_at, reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_added_and_the_earliest_revocation_counts() {
        let directory = tempfile::tempdir().unwrap();
        let journal = Journal::beside(&directory.path().join("flint.db"));
        assert!(journal.read().unwrap().is_empty());
        let entry = |name: &str, revoked_at| Entry {
            sha256: Digest::of(name.as_bytes()).to_hex(),
            id: name.into(),
            revoked_at,
            reason: None,
        };
        journal.append(&[entry("a", 7), entry("b", 8)]).await.unwrap();
        journal.append(&[entry("a", 5)]).await.unwrap();
        // Torn within a letter of two bytes.
        let torn = b"{\"sha256\": \"\xc3";
        OpenOptions::new().append(true).open(journal.path()).unwrap().write_all(torn).unwrap();
        let read = journal.read().unwrap();
        assert_eq!((read.len(), read[&Digest::of(b"a")].revoked_at), (2, 5));
        journal.append(&[entry("c", 9)]).await.unwrap();
        let read = journal.read().unwrap();
        assert_eq!((read.len(), read[&Digest::of(b"c")].revoked_at), (3, 9), "glued to the torn line");
    }
}
