//! An authority that remembers everything, so that a gateway's table can be compared with any
//! moment of the past.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use flint_contract::key::Digest;

/// How many different keys there are: enough for the table to grow by several splits.
pub(crate) const KEYS: u32 = 160;

/// What tells an entry of a key from every other one there ever was.
pub(crate) type Mark = u32;

/// A place in an epoch's log: how many of its changes are known.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Position {
    epoch: usize,
    version: usize,
    /// The run that builds a whole table and has not ended; 0 if there is none.
    run: usize,
}

#[derive(Clone, Copy, Debug)]
enum Entry {
    Good(Mark),
    /// An entry that breaks a rule: the key must not pass.
    Bad,
    Removed,
}

/// Everything there ever was: a log for each time that the database was restored.
#[derive(Debug)]
pub(crate) struct Authority {
    epochs: Vec<Log>,
    marks: Mark,
    runs: usize,
    /// Where runs have ended: epoch and version.
    ends: Vec<(usize, usize)>,
}

/// The changes of one epoch in order, and for each key when it changed.
#[derive(Debug, Default)]
struct Log {
    changes: Vec<(u32, Entry)>,
    by_key: BTreeMap<u32, Vec<(usize, Entry)>>,
}

impl Default for Authority {
    fn default() -> Self {
        Self { epochs: vec![Log::default()], marks: 0, runs: 0, ends: Vec::new() }
    }
}

/// The position that a call acknowledges.
pub(crate) fn position(path: &str) -> Option<Position> {
    let (_, cursor) = path.split_once("&cursor=")?;
    let mut numbers = cursor.split('.').map_while(|number| number.parse().ok());
    Some(Position { epoch: numbers.next()?, version: numbers.next()?, run: numbers.next()? })
}

// === impl Position, Authority ===

impl Position {
    /// Whether every VM must have what came up to here. Within a run that builds a whole table
    /// nothing shows.
    pub(crate) const fn counts(self) -> bool {
        self.run == 0
    }
}

impl Authority {
    pub(crate) fn put(&mut self, first: u32, many: u32) {
        for key in keys(first, many) {
            self.marks += 1;
            let mark = self.marks;
            self.log().push(key, Entry::Good(mark));
        }
    }

    pub(crate) fn remove(&mut self, first: u32, many: u32) {
        keys(first, many).for_each(|key| self.log().push(key, Entry::Removed));
    }

    pub(crate) fn spoil(&mut self, first: u32, many: u32) {
        keys(first, many).for_each(|key| self.log().push(key, Entry::Bad));
    }

    /// Begins a new epoch with every second of the keys.
    pub(crate) fn restore(&mut self) {
        let kept: Vec<u32> = (0..KEYS).step_by(2).filter(|key| self.now(*key).is_some()).collect();
        self.epochs.push(Log::default());
        kept.into_iter().for_each(|key| self.put(key, 1));
    }

    /// How many times a whole table was begun.
    pub(crate) const fn runs(&self) -> usize {
        self.runs
    }

    /// What the newest database has of a key.
    pub(crate) fn now(&self, key: u32) -> Option<Mark> {
        self.epochs.last().and_then(|log| log.at(usize::MAX, key))
    }

    /// What there has been of a key at this position and ever since.
    pub(crate) fn marks_since(&self, from: Position, key: u32) -> Vec<Option<Mark>> {
        let mut marks = Vec::new();
        for (epoch, log) in self.epochs.iter().enumerate().skip(from.epoch) {
            // A restored database takes effect whole, once its run has ended: an unfinished one is
            // never seen.
            let start = if epoch == from.epoch { Some(from.version) } else { self.first_end(epoch) };
            let Some(start) = start else { continue };
            marks.push(log.at(start, key));
            let changes = log.by_key.get(&key).map(Vec::as_slice).unwrap_or_default();
            let later = changes.iter().skip_while(|(place, _)| *place < start);
            marks.extend(later.map(|(_, entry)| entry.mark()));
        }
        marks
    }

    /// The answer to a call; `None` where the call is held.
    pub(crate) fn page(&mut self, path: &str, limit: usize) -> Option<String> {
        let epoch = self.epochs.len() - 1;
        let known = position(path).filter(|position| position.epoch == epoch);
        let reset = known.is_none() && position(path).is_some();
        let start = known.map_or(0, |position| position.version);
        let length = self.log().changes.len();
        let end = length.min(start + limit);
        if start == end && known.is_some() && !path.contains("wait=0") {
            return None;
        }
        let more = end < length;
        let run = known.map_or_else(
            || {
                self.runs += 1;
                self.runs
            },
            |position| position.run,
        );
        let run = if more { run } else { 0 };
        let changes: BTreeMap<u32, Entry> = self.log().changes.get(start..end)?.iter().copied().collect();
        if !more {
            self.ends.push((epoch, end));
        }
        let entries: Vec<String> = changes.iter().filter_map(|(key, entry)| entry.json(*key)).collect();
        let removed = changes.iter().filter(|(_, entry)| matches!(entry, Entry::Removed));
        let removed: Vec<String> = removed.map(|(key, _)| format!("\"{}\"", digest(*key).to_hex())).collect();
        Some(format!(
            r#"{{"cursor":"{epoch}.{end}.{run}","more":{more},"reset":{reset},"keys":[{}],"removed":[{}]}}"#,
            entries.join(","),
            removed.join(",")
        ))
    }

    fn first_end(&self, epoch: usize) -> Option<usize> {
        self.ends.iter().filter(|end| end.0 == epoch).map(|end| end.1).min()
    }

    fn log(&mut self) -> &mut Log {
        let last = self.epochs.len() - 1;
        &mut self.epochs[last]
    }
}

// === impl Log, Entry ===

impl Log {
    fn push(&mut self, key: u32, entry: Entry) {
        self.by_key.entry(key).or_default().push((self.changes.len(), entry));
        self.changes.push((key, entry));
    }

    /// What there was of a key when so many changes had been made.
    fn at(&self, version: usize, key: u32) -> Option<Mark> {
        let changes = self.by_key.get(&key)?;
        let known = changes.partition_point(|(place, _)| *place < version);
        changes.get(known.checked_sub(1)?)?.1.mark()
    }
}

impl Entry {
    const fn mark(self) -> Option<Mark> {
        match self {
            Self::Good(mark) => Some(mark),
            Self::Bad | Self::Removed => None,
        }
    }

    fn json(self, key: u32) -> Option<String> {
        let (id, environment) = match self {
            Self::Good(mark) => (format!("m{mark}"), "live"),
            Self::Bad => ("bad".to_owned(), "prod"),
            Self::Removed => return None,
        };
        let digest = digest(key).to_hex();
        Some(format!(r#"{{"sha256":"{digest}","id":"{id}","environment":"{environment}","permissions":[]}}"#))
    }
}

fn keys(first: u32, many: u32) -> impl Iterator<Item = u32> {
    (first..first + many).map(|key| key % KEYS)
}

/// The digest of a key, worked out once: this is what a test of this size spends its time on
/// otherwise.
pub(crate) fn digest(key: u32) -> Digest {
    static ALL: OnceLock<Vec<Digest>> = OnceLock::new();
    ALL.get_or_init(|| (0..KEYS).map(|key| Digest::of(&key.to_le_bytes())).collect())[key as usize]
}
