//! Which gateways already act on a change: "refused by 4 of 4".

use std::collections::{HashMap, HashSet};

use super::gateways::{Gateway, Process};
use crate::store::{Store, StoreError};

/// A process that was last seen longer ago than this, in seconds, is silent: twice the longest time
/// that a call is held.
pub const SILENT_AFTER: i64 = 120;
/// How long before a process was last seen its successor may have been seen first, in seconds: a
/// rolling restart starts the new one before it stops the old one.
const TAKEOVER: i64 = 600;
/// A process that was last seen longer ago than this, in seconds, is taken for gone.
pub const GONE_AFTER: i64 = 86_400;

/// How one process stands to a change.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// All of its workers act on it.
    Applied,
    /// It is seen and has not said so yet.
    Pending,
    /// It has not been seen for a while, and had not said so before: it may be gone, or cut off and
    /// still serving what it knew.
    Silent,
}

/// One process and how it stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Follower {
    /// The gateway's name.
    pub gateway: String,
    /// The process, and when it was seen.
    pub process: Process,
    /// How it stands to the change.
    pub standing: Standing,
}

/// How far a change has come.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Propagation {
    /// The number of the change.
    pub change: i64,
    /// How many processes act on it.
    pub applied: usize,
    /// How many there are, silent ones included.
    pub of: usize,
    /// All of them, those that lag first.
    pub followers: Vec<Follower>,
}

impl Store {
    /// How far the latest change of a key has come.
    ///
    /// # Errors
    /// If there is no such key.
    pub async fn propagation_of_key(&self, id: &str, now: i64) -> Result<Propagation, StoreError> {
        let sql = "SELECT change_seq FROM api_key WHERE id = $1";
        let change: Option<i64> =
            sqlx::query_scalar(sql).bind(id.to_owned()).fetch_optional(&self.pool).await?;
        self.propagation(change.ok_or(StoreError::NotFound("key"))?, now).await
    }

    /// How far a change has come.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn propagation(&self, change: i64, now: i64) -> Result<Propagation, StoreError> {
        let (gateways, processes) = (self.gateways().await?, self.processes(now - GONE_AFTER).await?);
        Ok(judge(change, &gateways, processes, now))
    }
}

/// Pure: how each process stands to a change.
fn judge(change: i64, gateways: &[Gateway], processes: Vec<Process>, now: i64) -> Propagation {
    let names: HashMap<_, _> = gateways.iter().map(|gateway| (gateway.id.as_str(), &gateway.name)).collect();
    let replaced = find_replaced(&processes, now);
    let mut followers: Vec<_> = processes
        .into_iter()
        .enumerate()
        .filter(|(place, _)| !replaced.contains(place))
        .filter_map(|(_, process)| {
            let gateway = (*names.get(process.gateway_id.as_str())?).clone();
            let standing = if process.applied_seq >= change {
                Standing::Applied
            } else if is_silent(&process, now) {
                Standing::Silent
            } else {
                Standing::Pending
            };
            Some(Follower { gateway, process, standing })
        })
        .collect();
    // A process that applied the change and fell silent long ago has most likely been replaced.
    followers.retain(|one| one.standing != Standing::Applied || !is_silent(&one.process, now));
    followers.sort_by(|one, other| {
        let key = |of: &Follower| of.standing == Standing::Applied;
        key(one).cmp(&key(other)).then_with(|| one.gateway.cmp(&other.gateway))
    });
    let applied = followers.iter().filter(|one| one.standing == Standing::Applied).count();
    Propagation { change, applied, of: followers.len(), followers }
}

const fn is_silent(process: &Process, now: i64) -> bool {
    now - process.seen_at > SILENT_AFTER
}

/// Silent processes whose place a newer one of the same gateway has taken, by their places in the
/// list. Each takes one place only, so that a process which is cut off is not forgotten because of
/// one that stands for another.
fn find_replaced(processes: &[Process], now: i64) -> HashSet<usize> {
    let mut gateways = HashMap::<&str, (Vec<_>, Vec<i64>)>::new();
    for (place, process) in processes.iter().enumerate() {
        let (silent, newer) = gateways.entry(&process.gateway_id).or_default();
        if is_silent(process, now) {
            // A successor was first seen after this.
            let earliest = process.first_seen.max(process.seen_at - TAKEOVER);
            silent.push((earliest, process.seen_at, place));
        } else {
            newer.push(process.first_seen);
        }
    }
    let mut replaced = HashSet::new();
    for (mut silent, mut newer) in gateways.into_values() {
        silent.sort_unstable();
        newer.sort_unstable();
        // A merge of two sorted lists: who came too early for one silent process came too early for
        // all after it.
        let mut newer = newer.into_iter();
        for (earliest, _, place) in silent {
            if newer.by_ref().find(|first_seen| *first_seen > earliest).is_none() {
                break;
            }
            replaced.insert(place);
        }
    }
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_lags_is_told_from_who_is_silent_and_who_is_gone() {
        let gateway = Gateway {
            id: "g".into(),
            name: "edge".into(),
            created_at: 0,
            created_by: String::new(),
            revoked_at: None,
        };
        let process = |id: &str, applied_seq, seen_at| Process {
            gateway_id: "g".into(),
            process_id: id.into(),
            applied_seq,
            applied_at: seen_at,
            first_seen: 0,
            seen_at,
        };
        let processes =
            vec![process("a", 7, 990), process("b", 6, 990), process("c", 6, 100), process("d", 7, 100)];
        let told = judge(7, &[gateway], processes, 1_000);
        let standings: Vec<_> =
            told.followers.iter().map(|one| (one.process.process_id.as_str(), one.standing)).collect();
        let expected = [("b", Standing::Pending), ("c", Standing::Silent), ("a", Standing::Applied)];
        assert_eq!((told.applied, told.of, standings.as_slice()), (1, 3, expected.as_slice()));
    }

    #[test]
    fn a_process_in_whose_place_another_has_come_does_not_count() {
        let process = |gateway: &str, id: &str, first_seen, seen_at| Process {
            gateway_id: gateway.into(),
            process_id: id.into(),
            applied_seq: 6,
            applied_at: seen_at,
            first_seen,
            seen_at,
        };
        let replaced = |processes: &[Process]| {
            let places = find_replaced(processes, 10_000);
            let mut ids: Vec<_> =
                places.into_iter().map(|place| processes[place].process_id.clone()).collect();
            ids.sort_unstable();
            ids
        };
        let (old, new) = (process("g", "old", 0, 9_000), process("g", "new", 8_990, 9_990));
        assert_eq!(replaced(&[old.clone(), new.clone()]), ["old"]);
        // One that came long before is a neighbour, one of another gateway is nothing to it.
        assert!(replaced(&[old.clone(), process("g", "neighbour", 1_000, 9_990)]).is_empty());
        assert!(replaced(&[old.clone(), process("h", "new", 8_990, 9_990)]).is_empty());
        // Still seen: both run.
        assert!(replaced(&[process("g", "old", 0, 9_900), new.clone()]).is_empty());
        // Two silent ones and one that is new: the second may be cut off.
        assert_eq!(replaced(&[process("g", "cut off", 0, 9_100), old, new]), ["old"]);
    }

    #[test]
    fn each_newer_process_takes_the_place_of_one_silent_one_whatever_the_order() {
        let process = |id: usize, first_seen, seen_at| Process {
            gateway_id: "g".into(),
            process_id: id.to_string(),
            applied_seq: 6,
            applied_at: seen_at,
            first_seen,
            seen_at,
        };
        // The one that was silent first came last, so only the latest newer one can follow it.
        let (late, early) = (process(0, 8_500, 8_600), process(1, 0, 9_000));
        let (first, second) = (process(2, 8_450, 9_990), process(3, 8_550, 9_990));
        let all = [late, early, second, first].to_vec();
        assert_eq!(find_replaced(&all, 10_000), HashSet::from([0, 1]));
        // Compared each with each, these would take minutes.
        let silent = (0..100_000).map(|id| process(id, 0, 9_000));
        let newer = (0..100_000).map(|id| process(100_000 + id, 8_300, 9_990));
        let many: Vec<_> = silent.chain(newer).collect();
        assert_eq!(find_replaced(&many, 10_000).len(), 0);
    }
}
