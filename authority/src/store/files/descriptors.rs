//! What Linux tells a process of the files that it has open, without opening them: `/proc/self/fd`
//! and `fdinfo`.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Identity, identity};

/// The first byte of those that SQLite locks to say that a database is in use.
const SHARED_FIRST: u64 = 0x4000_0002;

/// A descriptor that holds the shared lock of a database.
#[derive(Debug)]
pub(super) struct Lock {
    descriptor: PathBuf,
    facts: PathBuf,
    database: Identity,
}

/// Finds the lock of a database whose files these are. `None` if this system does not show it.
///
/// # Errors
/// The path of a file that is not among those that are open.
pub(super) fn find(files: &[(PathBuf, Identity); 3]) -> Result<Option<Lock>, PathBuf> {
    let Ok(entries) = fs::read_dir("/proc/self/fd") else {
        return Ok(None);
    };
    let open: Vec<(PathBuf, Identity)> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            identity(&path).ok().map(|identity| (path, identity))
        })
        .collect();
    for (path, file) in files {
        if !open.iter().any(|(_, identity)| identity == file) {
            return Err(path.clone());
        }
    }
    let [(_, database), ..] = files;
    let locks = open.into_iter().filter(|(_, identity)| identity == database).filter_map(|(path, _)| {
        let facts = Path::new("/proc/self/fdinfo").join(path.file_name()?);
        Some(Lock { descriptor: path, facts, database: *database })
    });
    Ok(locks.into_iter().find(Lock::is_held))
}

impl Lock {
    /// Whether the descriptor is still one of the database, and still has the lock.
    pub(super) fn is_held(&self) -> bool {
        identity(&self.descriptor).is_ok_and(|found| found == self.database)
            && fs::read_to_string(&self.facts).is_ok_and(|facts| facts.lines().any(is_shared_lock))
    }
}

/// Whether a line of `fdinfo` tells of a POSIX lock on what SQLite locks:
/// `lock:  1: POSIX  ADVISORY  READ 4711 fe:00:5365822 1073741826 1073742335`.
fn is_shared_lock(line: &str) -> bool {
    let mut words = line.split_whitespace();
    if words.next() != Some("lock:") || words.nth(1) != Some("POSIX") {
        return false;
    }
    let mut range = words.skip(4);
    let first: Option<u64> = range.next().and_then(|word| word.parse().ok());
    let reaches = |word: &str| word == "EOF" || word.parse().is_ok_and(|last: u64| last >= SHARED_FIRST);
    first.is_some_and(|first| first <= SHARED_FIRST) && range.next().is_some_and(reaches)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_of_a_database_in_use_is_known_from_others() {
        let of = |kind: &str, range: &str| {
            is_shared_lock(&format!("lock:\t1: {kind}  ADVISORY  READ 47 fe:00:53 {range}"))
        };
        assert!(of("POSIX", "1073741826 1073742335") && of("POSIX", "0 EOF"));
        assert!(!of("FLOCK", "0 EOF"), "another kind");
        assert!(!of("POSIX", "128 128") && !of("POSIX", "1073741827 1073742335"), "another range");
        assert!(!is_shared_lock("ino:\t1073741826") && !is_shared_lock("lock:") && !is_shared_lock(""));
    }
}
