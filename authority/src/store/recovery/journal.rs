//! The journal of revocations: a small, append-only file next to the database.
//!
//! A backup is older than what happened since. Restoring one must not bring a revoked key back, so
//! every revocation is also written here, and on the disk before it is committed: a line of a
//! revocation that then failed costs nothing, a revocation without its line would. The file is not
//! part of a backup; it stays where it is when one is restored.
//!
//! A key's end that was changed is written down too, so that a rotation's overlap is as short after
//! a restore as it was before. That comes after the commit: a line of a change that then failed
//! would end a key that nobody replaced.
//!
//! Each line is a JSON object; a line that cannot be understood is left out. So journals of
//! programs that knew revocations only are read, and such programs read this one.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use flint_contract::key::Digest;
use serde::{Deserialize, Serialize};

use crate::model::Key;
use crate::store::{StoreError, files};

/// Where the journal is.
#[derive(Clone, Debug)]
pub struct Journal {
    path: PathBuf,
}

/// One revocation.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Revocation {
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

/// What a key's end was changed to.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ExpiryChange {
    /// The digest of the key, in hexadecimal.
    pub sha256: String,
    /// The key's public id.
    pub id: String,
    /// The version of the key that has this end.
    pub version: i64,
    /// The end, if it has one, in Unix seconds.
    pub expires_at: Option<i64>,
}

/// The end of something of OAuth: a token, a client's secret, a grant, a client, a user or a
/// signing key.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct OauthEnd {
    /// `token`, `client_secret`, `grant`, `client`, `user` or `signing_key`.
    pub oauth: String,
    /// Its public id; the digest of a secret, in hexadecimal.
    pub id: String,
    /// From when on it is refused, in Unix seconds; for a token when it would have expired. None:
    /// it was enabled again.
    pub at: Option<i64>,
}

/// What a journal says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Known {
    /// Every revocation by digest, the earliest of each.
    pub revoked: HashMap<Digest, Revocation>,
    /// The last change of each key's end.
    pub ends: HashMap<Digest, ExpiryChange>,
    /// The last change of each thing of OAuth, by kind and id.
    pub oauth: HashMap<(String, String), Option<i64>>,
}

/// A line of any kind. The first variant that fits applies.
#[derive(Deserialize)]
#[serde(untagged)]
enum Record {
    Revocation(Revocation),
    Expiry(ExpiryChange),
    Oauth(OauthEnd),
}

impl Journal {
    /// The journal in this file, which need not exist yet.
    #[must_use]
    pub const fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// The journal next to a database in a file.
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

    /// Makes the file if there is none, so that it is known now and not with the first revocation
    /// whether it can be written.
    ///
    /// # Errors
    /// If it cannot.
    pub fn prepare(&self) -> Result<(), StoreError> {
        let made = files::private().append(true).create(true).open(&self.path);
        made.map(drop).map_err(|error| self.failed(error))
    }

    /// Adds lines; when this returns they are on the disk.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub async fn append<Record: Serialize>(&self, records: &[Record]) -> Result<(), StoreError> {
        let mut text = String::new();
        for record in records {
            text.push_str(
                &serde_json::to_string(record).map_err(|_| StoreError::Corrupt("a line of the journal"))?,
            );
            text.push('\n');
        }
        let path = self.path.clone();
        let written = tokio::task::spawn_blocking(move || write(&path, text))
            .await
            .unwrap_or_else(|error| Err(std::io::Error::other(error)));
        written.map_err(|error| self.failed(error))
    }

    /// Reads it. A torn last line, of a machine that stopped, is left out.
    ///
    /// # Errors
    /// If the file is there and cannot be read.
    pub fn read(&self) -> Result<Known, StoreError> {
        self.read_of(|_| true)
    }

    /// Reads what it says of these digests. It may say far more than there is room for next to a
    /// request.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_among(&self, digests: &HashSet<Digest>) -> Result<Known, StoreError> {
        self.read_of(|digest| digests.contains(digest))
    }

    fn read_of(&self, is_asked_for: impl Fn(&Digest) -> bool) -> Result<Known, StoreError> {
        let mut known = Known::default();
        let file = match std::fs::File::open(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(known),
            opened => opened.map_err(|error| self.failed(error))?,
        };
        // By bytes: a line may be torn within a letter.
        for line in BufReader::new(file).split(b'\n') {
            let line = line.map_err(|error| self.failed(error))?;
            match serde_json::from_slice(&line) {
                Ok(Record::Revocation(entry)) => known.add_revocation(entry, &is_asked_for),
                Ok(Record::Expiry(end)) => known.add_end(end, &is_asked_for),
                Ok(Record::Oauth(end)) => drop(known.oauth.insert((end.oauth, end.id), end.at)),
                Err(_) => {}
            }
        }
        Ok(known)
    }

    fn failed(&self, error: std::io::Error) -> StoreError {
        StoreError::File(self.path.display().to_string(), error)
    }
}

impl Known {
    fn add_revocation(&mut self, entry: Revocation, is_asked_for: impl Fn(&Digest) -> bool) {
        if let Some(digest) = Digest::parse_hex(&entry.sha256).filter(is_asked_for) {
            let revoked_at = entry.revoked_at;
            let first = self.revoked.entry(digest).or_insert(entry);
            first.revoked_at = first.revoked_at.min(revoked_at);
        }
    }

    fn add_end(&mut self, end: ExpiryChange, is_asked_for: impl Fn(&Digest) -> bool) {
        if let Some(digest) = Digest::parse_hex(&end.sha256).filter(is_asked_for) {
            self.ends.insert(digest, end);
        }
    }
}

/// Adds text to the file, on its own line, and waits for the disk.
fn write(path: &Path, mut text: String) -> std::io::Result<()> {
    let is_new = !path.exists();
    let mut file = files::private().read(true).append(true).create(true).open(path)?;
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

impl Revocation {
    /// The line of a key, if it is revoked.
    #[must_use]
    pub fn of(key: &Key) -> Option<Self> {
        let revoked_at = key.revoked_at?;
        let reason = key.revoke_reason.clone();
        Some(Self { sha256: key.digest.to_hex(), id: key.id.clone(), revoked_at, reason })
    }
}

impl ExpiryChange {
    /// The line of a key whose end was changed.
    #[must_use]
    pub fn of(key: &Key) -> Self {
        let (id, version) = (key.id.clone(), key.version);
        Self { sha256: key.digest.to_hex(), id, version, expires_at: key.expires_at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_added_and_the_earliest_revocation_counts() {
        let directory = tempfile::tempdir().unwrap();
        let journal = Journal::beside(&directory.path().join("flint.db"));
        assert_eq!(journal.read().unwrap(), Known::default());
        let entry = |name: &str, revoked_at| Revocation {
            sha256: Digest::of(name.as_bytes()).to_hex(),
            id: name.into(),
            revoked_at,
            reason: None,
        };
        journal.append(&[entry("a", 7), entry("b", 8)]).await.unwrap();
        journal.append(&[entry("a", 5)]).await.unwrap();
        // Torn within a letter of two bytes.
        let torn = b"{\"sha256\": \"\xc3";
        std::fs::OpenOptions::new().append(true).open(journal.path()).unwrap().write_all(torn).unwrap();
        let read = journal.read().unwrap().revoked;
        assert_eq!((read.len(), read[&Digest::of(b"a")].revoked_at), (2, 5));
        let among = |name: &[u8]| journal.read_among(&HashSet::from([Digest::of(name)])).unwrap().revoked;
        assert_eq!((among(b"b").len(), among(b"b")[&Digest::of(b"b")].revoked_at), (1, 8));
        assert_eq!(among(b"d").len(), 0);
        journal.append(&[entry("c", 9)]).await.unwrap();
        let read = journal.read().unwrap().revoked;
        assert_eq!((read.len(), read[&Digest::of(b"c")].revoked_at), (3, 9), "glued to the torn line");
    }

    #[tokio::test]
    async fn the_last_end_of_a_key_counts_and_older_journals_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let journal = Journal::beside(&directory.path().join("flint.db"));
        let (digest, old) = (Digest::of(b"a"), Digest::of(b"old"));
        let line = format!("{{\"sha256\":\"{}\",\"id\":\"old\",\"revoked_at\":5}}\n", old.to_hex());
        std::fs::write(journal.path(), line).unwrap();
        let end = |version, expires_at| ExpiryChange {
            sha256: digest.to_hex(),
            id: "a".into(),
            version,
            expires_at,
        };
        journal.append(&[end(2, Some(100))]).await.unwrap();
        journal.append(&[end(3, None)]).await.unwrap();
        let known = journal.read().unwrap();
        assert_eq!((known.revoked.len(), known.revoked[&old].revoked_at), (1, 5));
        assert_eq!((known.ends.len(), &known.ends[&digest]), (1, &end(3, None)));
        // A program that knows revocations only leaves such a line out.
        let line = serde_json::to_string(&end(2, Some(100))).unwrap();
        assert!(serde_json::from_str::<Revocation>(&line).is_err());
    }
}
