use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use flint_contract::entry::{Cidr, Entry};
use flint_contract::key::{Digest, Environment};
use proptest::prelude::*;

use super::meta::{Extent, Meta, Role};
use super::place::Seed;
use super::shard::Shard;
use super::store::{Address, Condition, Fault, Namespace, Store};
use super::view::View;
use super::writer::{Change, MOST_KEYS, Sweep, Writer};
use crate::token::revoked;

/// A value and its compare-and-swap number.
type Value = (Vec<u8>, u32);

/// Shared data as Envoy's C++ host keeps it, with a writer that can be made to die after that many
/// writes.
#[derive(Default)]
pub(crate) struct Memory {
    values: RefCell<HashMap<Vec<u8>, Value>>,
    next: Cell<u32>,
    writes_left: Cell<Option<u32>>,
}

impl Memory {
    pub(crate) fn die_after(&self, writes: u32) {
        self.writes_left.set(Some(writes));
    }

    pub(crate) fn live(&self) {
        self.writes_left.set(None);
    }

    pub(crate) fn bytes(&self) -> usize {
        self.values.borrow().values().map(|(value, _)| value.len()).sum()
    }

    fn values(&self) -> usize {
        self.values.borrow().len()
    }
}

impl Store for Memory {
    fn get(&self, address: &Address) -> Result<Option<(Vec<u8>, u32)>, Fault> {
        Ok(self.values.borrow().get(address.as_bytes()).cloned())
    }

    fn set(&self, address: &Address, value: &[u8], condition: Condition) -> Result<(), Fault> {
        match self.writes_left.get() {
            Some(0) => return Err(Fault::Refused),
            Some(left) => self.writes_left.set(Some(left - 1)),
            None => {}
        }
        let mut values = self.values.borrow_mut();
        let held = values.get(address.as_bytes()).map(|(_, cas)| *cas);
        let holds = match condition {
            Condition::Absent => held.is_none(),
            Condition::Is(cas) => held == Some(cas),
            Condition::Always => true,
        };
        if !holds {
            return Err(Fault::Lost);
        }
        self.next.set(self.next.get() + 1);
        values.insert(address.as_bytes().to_vec(), (value.to_vec(), self.next.get()));
        Ok(())
    }
}

pub(crate) fn namespace() -> Namespace {
    Namespace::of("cluster", "host", "token")
}

pub(crate) fn entry(number: u32, mark: &str) -> Entry {
    Entry {
        digest: Digest::of(&number.to_le_bytes()),
        id: format!("key_{number}-{mark}").into(),
        environment: if number.is_multiple_of(2) { Environment::Live } else { Environment::Test },
        permissions: vec!["documents:read".into(), "a:*".into()],
        owner: number.is_multiple_of(3).then(|| "org_7".into()),
        not_before: None,
        expires_at: number.is_multiple_of(5).then_some(1_900_000_000),
        revoked_at: None,
        allowed_cidrs: number.is_multiple_of(7).then(|| vec![Cidr::parse("10.0.0.0/8").unwrap()]),
    }
}

/// The seed of a run in these tests.
fn seed(run: u64) -> Seed {
    Seed::new(u128::from(run) << 64 | 0x51)
}

fn put(number: u32) -> Change {
    (Digest::of(&number.to_le_bytes()), Some(entry(number, "a")))
}

/// A table with these keys that serves.
pub(crate) fn serving(store: &Memory, namespace: Namespace, keys: impl Iterator<Item = u32>) -> Writer {
    let mut writer = Writer::begin(store, namespace, 1, seed(1), 0, 1).unwrap();
    writer.apply(store, &keys.map(put).collect::<Vec<_>>()).unwrap();
    publish(store, namespace, &writer);
    writer
}

fn publish(store: &Memory, namespace: Namespace, writer: &Writer) {
    let (held, cas) = Meta::load(store, namespace).unwrap();
    let mut meta = held.unwrap_or_default();
    writer.describe(&mut meta);
    meta.writing = false;
    meta.save(store, namespace, Role::Serving, cas).unwrap();
}

fn id(store: &Memory, view: &mut View, number: u32) -> Option<String> {
    let found = view.lookup(store, &Digest::of(&number.to_le_bytes())).unwrap()?;
    Some(found.record().unwrap().id.to_owned())
}

fn view(store: &Memory) -> View {
    let mut view = View::new(namespace());
    view.refresh(store).unwrap();
    view
}

#[test]
fn a_record_comes_back_as_it_went_in() {
    let store = Memory::default();
    serving(&store, namespace(), 0..210);
    let mut view = view(&store);
    for number in 0..210 {
        let expected = entry(number, "a");
        let found = view.lookup(&store, &expected.digest).unwrap().unwrap();
        let record = found.record().unwrap();
        assert_eq!((record.id, record.environment), (&*expected.id, expected.environment));
        assert_eq!((record.owner, record.expires_at), (expected.owner.as_deref(), expected.expires_at));
        assert!(record.grants().eq(expected.permissions.iter().map(|grant| &**grant)));
        assert!(record.admits_address(|| "10.1.2.3".parse().ok()));
        assert_eq!(record.admits_address(|| "11.1.2.3".parse().ok()), expected.allowed_cidrs.is_none());
    }
}

#[test]
fn there_is_no_table_before_the_first_one() {
    let store = Memory::default();
    let mut view = view(&store);
    assert!(view.meta().is_none());
    assert_eq!(view.lookup(&store, &Digest::of(b"x")).unwrap_err(), Fault::Corrupt);
}

#[test]
fn a_reader_with_an_old_view_finds_every_key_after_any_number_of_splits() {
    let store = Memory::default();
    let mut writer = serving(&store, namespace(), 0..1);
    let old = view(&store);
    for start in (0..10_000).step_by(500) {
        writer.apply(&store, &(start..start + 500).map(put).collect::<Vec<_>>()).unwrap();
        let mut view = old.clone();
        for number in (0..start + 500).step_by(97) {
            assert!(id(&store, &mut view, number).is_some(), "{number} of {start}");
        }
        assert_eq!(id(&store, &mut view, 1_000_000), None);
    }
}

#[test]
fn a_reader_with_an_old_view_finds_the_new_table_and_nothing_of_the_old() {
    let store = Memory::default();
    serving(&store, namespace(), 0..1_000);
    let mut reader = view(&store);
    let mut next = Writer::begin(&store, namespace(), 2, seed(2), 1, 1).unwrap();
    next.apply(&store, &(500..600).map(put).collect::<Vec<_>>()).unwrap();
    assert!(id(&store, &mut reader, 1).is_some(), "the old table serves until the new one is complete");
    publish(&store, namespace(), &next);
    assert!(Sweep::new(namespace(), 2, 1).step(&store, u32::MAX).unwrap());
    assert_eq!(id(&store, &mut reader, 1), None);
    assert!(id(&store, &mut reader, 555).is_some());
    assert_eq!(reader.meta().unwrap().run, 2);
}

/// The most keys that a shard has.
fn most_keys(store: &Memory) -> usize {
    let shards = (0..).map_while(|index| store.get(&namespace().shard(index)).unwrap());
    shards.map(|(value, _)| Shard::read(&value).unwrap().parts().next().unwrap().keys()).max().unwrap()
}

/// Anyone who imports keys chooses their digests, and a client can try keys until one has a digest
/// that it likes.
#[test]
fn digests_that_were_chosen_to_look_alike_fill_no_shard() {
    let store = Memory::default();
    let mut writer = serving(&store, namespace(), 0..0);
    let alike = |number: u32| {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&number.to_le_bytes());
        (Digest::from_bytes(bytes), Some(entry(number, "a")))
    };
    for start in (0..12_000).step_by(500) {
        writer.apply(&store, &(start..start + 500).map(alike).collect::<Vec<_>>()).unwrap();
    }
    publish(&store, namespace(), &writer);
    assert!(most_keys(&store) < 150, "{}", most_keys(&store));
    let mut view = view(&store);
    assert!((0..12_000).all(|number| view.lookup(&store, &alike(number).0).unwrap().is_some()));
}

#[test]
fn whoever_knows_the_seed_can_fill_one_shard_to_a_bound() {
    let store = Memory::default();
    let mut writer = serving(&store, namespace(), 0..0);
    let mut chosen = (0..).map(put).filter(|(digest, _)| seed(1).place(digest).is_multiple_of(64));
    let filled = (0..100).find_map(|_| {
        let page: Vec<Change> = chosen.by_ref().take(100).collect();
        writer.apply(&store, &page).err()
    });
    assert_eq!(filled, Some(Fault::Skewed));
    assert!(most_keys(&store) < MOST_KEYS + 200, "{}", most_keys(&store));
}

/// The other writer had read both shards when it was overtaken, and writes them when it wakes up.
#[test]
fn a_split_that_came_late_is_seen_before_anything_is_written_over_it() {
    let store = Memory::default();
    let mut late = serving(&store, namespace(), 0..24);
    let meta = view(&store).meta().unwrap().clone();
    let mut next = Writer::resume(&store, namespace(), &meta, 0, 2).unwrap();
    late.apply(&store, &(0..30).map(put).collect::<Vec<_>>()).unwrap();
    let page: Vec<Change> = (20..60).map(put).collect();
    assert_eq!(next.apply(&store, &page), Err(Fault::Lost));
    let mut next = Writer::resume(&store, namespace(), &meta, 0, 2).unwrap();
    next.apply(&store, &page).unwrap();
    publish(&store, namespace(), &next);
    let mut reader = view(&store);
    assert!((0..60).all(|number| id(&store, &mut reader, number).is_some()));
}

#[test]
fn no_key_takes_the_place_of_a_revoked_token() {
    let store = Memory::default();
    let mut writer = serving(&store, namespace(), 0..20);
    let token = revoked::entry("jti", 100);
    let digest = token.digest;
    writer.apply(&store, &[(digest, Some(token))]).unwrap();
    let key = Entry { digest, ..entry(7, "forged") };
    for forged in [Some(key), None] {
        writer.apply(&store, &[(digest, forged)]).unwrap();
        publish(&store, namespace(), &writer);
        let mut view = view(&store);
        let found = view.lookup(&store, &digest).unwrap().unwrap();
        assert_eq!(found.record().unwrap().id, "");
        assert_eq!((view.meta().unwrap().keys, writer.tokens()), (21, 1));
    }
}

#[test]
fn replacing_a_table_again_and_again_takes_no_more_room() {
    let store = Memory::default();
    serving(&store, namespace(), 0..5_000);
    let before = (store.values(), store.bytes());
    for run in 2..8 {
        let mut next = Writer::begin(&store, namespace(), run, seed(run), run - 1, 1).unwrap();
        next.apply(&store, &(0..5_000).map(put).collect::<Vec<_>>()).unwrap();
        assert!(store.bytes() > before.1 * 3 / 2, "both are there");
        publish(&store, namespace(), &next);
        assert!(Sweep::new(namespace(), run, 1).step(&store, u32::MAX).unwrap());
        assert_eq!((store.values(), store.bytes()), before, "run {run}");
    }
}

#[test]
fn what_an_abandoned_table_left_goes_with_the_next_sweep_and_with_every_write() {
    let store = Memory::default();
    let mut writer = serving(&store, namespace(), 0..5_000);
    let runs_in = |index: u32| {
        let (value, _) = store.get(&namespace().shard(index)).unwrap().unwrap();
        Shard::read(&value).unwrap().parts().map(|part| part.run).collect::<Vec<_>>()
    };
    let before = store.bytes();
    for run in [2, 3] {
        let mut abandoned = Writer::begin(&store, namespace(), run, seed(run), 1, 1).unwrap();
        abandoned.apply(&store, &(0..2_000).map(put).collect::<Vec<_>>()).unwrap();
        assert_eq!(runs_in(0), [1, run], "of the one before it nothing is left in a shard that it wrote");
    }
    let change = put(17);
    let index = view(&store).meta().unwrap().extent.index(seed(1).place(&change.0));
    writer.apply(&store, &[change]).unwrap();
    assert_eq!(runs_in(index), [1]);
    let mut sweep = Sweep::new(namespace(), 1, 1);
    while !sweep.step(&store, 10).unwrap() {}
    assert_eq!(store.bytes(), before);
    let mut reader = view(&store);
    assert!((0..5_000).all(|number| id(&store, &mut reader, number).is_some()));
}

#[test]
fn what_is_no_shard_is_not_read_as_one() {
    let store = Memory::default();
    serving(&store, namespace(), 0..20);
    Writer::begin(&store, namespace(), 2, seed(2), 1, 1).unwrap();
    let (value, _) = store.get(&namespace().shard(0)).unwrap().unwrap();
    let parts = |value: &[u8]| Shard::read(value).map(|shard| shard.parts().count());
    assert_eq!((parts(&value), parts(&value[..4])), (Some(2), Some(0)));
    let read = (0..value.len()).filter_map(|end| parts(&value[..end])).collect::<Vec<_>>();
    assert_eq!(read, [0, 1], "cut anywhere else it is none");
    for length in 0..4 {
        let mut endless = value.clone();
        endless[4] = length;
        endless[5..8].fill(0);
        assert_eq!(parts(&endless), None);
    }
}

#[test]
fn a_run_in_the_making_has_a_number_of_its_own() {
    for random in [0, 7, 8, u64::MAX - 1, u64::MAX] {
        let meta = Meta { run: random, making: random.wrapping_add(1), ..Meta::default() };
        let mut begun = meta.clone();
        begun.begin(random);
        assert!(![0, meta.run, meta.making].contains(&begun.making), "{begun:?}");
    }
}

#[test]
fn shards_are_littered_by_what_was_replaced_and_by_what_was_abandoned() {
    let mut first = Meta::default();
    first.begin(5);
    first.replace(5);
    assert!(!first.littered, "a first table leaves nothing");
    let mut second = first.clone();
    second.begin(6);
    assert!(!second.littered, "there are two, and both are wanted");
    second.replace(6);
    assert!(second.littered);
    let mut again = Meta::default();
    again.begin(5);
    again.begin(6);
    assert!(again.littered);
}

#[test]
fn a_writer_that_lost_its_lease_cannot_undo_what_its_successor_wrote() {
    let store = Memory::default();
    let mut old = serving(&store, namespace(), 0..5);
    // One shard, so that it is the one that the sweep comes to.
    let meta = view(&store).meta().unwrap().clone();
    let mut new = Writer::resume(&store, namespace(), &meta, 0, 2).unwrap();
    new.apply(&store, &[(Digest::of(&3_u32.to_le_bytes()), None)]).unwrap();
    assert_eq!(old.apply(&store, &[put(3)]), Err(Fault::Lost));
    assert_eq!(id(&store, &mut view(&store), 3), None);
    assert!(Sweep::new(namespace(), 0, 1).step(&store, 1).is_err(), "nor empty its shards");
}

#[test]
fn a_successor_finishes_what_a_writer_left_half_done() {
    for writes in 0..200 {
        let store = Memory::default();
        let mut writer = serving(&store, namespace(), 0..300);
        let page: Vec<_> = (250..700).map(put).collect();
        let (meta, cas) = Meta::load(&store, namespace()).unwrap();
        let mut meta = meta.unwrap();
        meta.writing = true;
        meta.save(&store, namespace(), Role::Serving, cas).unwrap();
        store.die_after(writes);
        let finished = writer.apply(&store, &page).is_ok();
        store.live();
        let mut reader = view(&store);
        assert!((0..250).all(|number| id(&store, &mut reader, number).is_some()), "after {writes} writes");

        let mut next = Writer::resume(&store, namespace(), &meta, 0, 2).unwrap();
        next.apply(&store, &page).unwrap();
        publish(&store, namespace(), &next);
        let mut reader = view(&store);
        assert!((0..700).all(|number| id(&store, &mut reader, number).is_some()), "after {writes} writes");
        assert_eq!(reader.meta().unwrap().keys, 700, "after {writes} writes");
        if finished {
            return;
        }
    }
    panic!("the page takes more writes than were tried");
}

#[test]
fn namespaces_share_nothing() {
    let other = Namespace::of("cluster", "host", "token2");
    assert_ne!(namespace().shard(7).as_bytes(), other.shard(7).as_bytes());
    assert!(Namespace::of("ab", "c", "d") != Namespace::of("a", "bc", "d"));
    assert_ne!(namespace(), Namespace::of_version(super::store::VERSION - 1, "cluster", "host", "token"));
    assert!(namespace().shard(u32::MAX).as_bytes().len() <= 22);
    let keys: std::collections::HashSet<_> =
        (0..70_000).map(|index| namespace().shard(index).as_bytes().to_vec()).collect();
    assert_eq!(keys.len(), 70_000);
}

#[test]
fn linear_hashing_places_everything_in_an_existing_shard() {
    let mut extent = Extent::default();
    for shards in 1..300 {
        assert_eq!(extent.shards(), shards);
        assert!((0..2_000_u32).all(|hash| extent.index(hash.wrapping_mul(0x9E37_79B9)) < shards));
        extent = extent.grown().2;
    }
}

proptest! {
    #[test]
    fn the_table_equals_a_map(pages in prop::collection::vec(
        prop::collection::hash_map(0..400_u32, prop::option::of("[a-z]{1,8}"), 0..120), 1..12,
    )) {
        let store = Memory::default();
        let mut writer = serving(&store, namespace(), 0..0);
        let mut model: HashMap<u32, String> = HashMap::new();
        let mut old = view(&store);
        for page in pages {
            let changes: Vec<Change> = page
                .iter()
                .map(|(number, mark)| {
                    (Digest::of(&number.to_le_bytes()), mark.as_deref().map(|mark| entry(*number, mark)))
                })
                .collect();
            writer.apply(&store, &changes).unwrap();
            publish(&store, namespace(), &writer);
            for (number, mark) in page {
                match mark {
                    Some(mark) => model.insert(number, format!("key_{number}-{mark}")),
                    None => model.remove(&number),
                };
            }
            for number in 0..400 {
                prop_assert_eq!(id(&store, &mut old, number), model.get(&number).cloned());
            }
            prop_assert_eq!(view(&store).meta().unwrap().keys, model.len() as u64);
        }
    }
}
