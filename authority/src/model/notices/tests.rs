use super::*;
use crate::model::draft::NewKey;
use crate::model::lifecycle::Issuance;
use flint_contract::key::Digest;

const NOW: i64 = 1_790_000_000;

fn issuance(id: &str) -> Issuance {
    Issuance { id: id.into(), digest: Digest::of(id.as_bytes()), hint: None, now: NOW, by: "ada".into() }
}

/// A key that ends and is to be rotated so many seconds from now.
fn key(expires: Option<i64>, rotate: Option<i64>) -> Key {
    let draft = NewKey { name: "CI".into(), environment: "live".into(), ..NewKey::default() };
    let key = issuance("key_1").key(draft.check(NOW).unwrap());
    Key { expires_at: expires.map(|time| NOW + time), rotate_by: rotate.map(|time| NOW + time), ..key }
}

fn due(key: &Key) -> Vec<(&'static str, i64)> {
    Notice::all_due(key, NOW).into_iter().map(|one| (one.kind.as_str(), one.step)).collect()
}

#[test]
fn the_nearest_step_that_is_passed_is_due() {
    for (left, expected) in [
        (None, None),
        (Some(31 * DAY), None),
        (Some(30 * DAY + 1), None),
        (Some(30 * DAY), Some(30)),
        (Some(14 * DAY + 1), Some(30)),
        (Some(14 * DAY), Some(14)),
        (Some(7 * DAY + 1), Some(14)),
        (Some(7 * DAY), Some(7)),
        (Some(DAY + 1), Some(7)),
        (Some(DAY), Some(1)),
        (Some(1), Some(1)),
        (Some(0), None),
        (Some(-1), None),
    ] {
        let ending: Vec<_> = expected.into_iter().map(|step| ("key.expiring", step)).collect();
        assert_eq!(due(&key(left, None)), ending, "ends in {left:?}");
        let rotating: Vec<_> = expected.into_iter().map(|step| ("key.rotation_due", step)).collect();
        assert_eq!(due(&key(None, left)), rotating, "to be rotated in {left:?}");
    }
}

#[test]
fn a_rotation_is_told_only_where_it_comes_before_the_end() {
    let (expiring, rotation) = (("key.expiring", 14), ("key.rotation_due", 7));
    for (end, rotate, expected) in [
        (Some(10), 5, vec![expiring, rotation]),
        (Some(10), 10, vec![expiring]),
        (Some(10), 12, vec![expiring]),
        (Some(90), 5, vec![rotation]),
        (None, 5, vec![rotation]),
    ] {
        assert_eq!(due(&key(end.map(|days| days * DAY), Some(rotate * DAY))), expected, "{end:?} {rotate}");
    }
}

#[test]
fn what_nobody_counts_on_has_no_notice() {
    let active = key(Some(5 * DAY), Some(3 * DAY));
    assert_eq!(Notice::all_due(&active, NOW).len(), 2);
    let pending = Key { not_before: Some(NOW + DAY), ..active.clone() };
    assert_eq!(Notice::all_due(&pending, NOW).len(), 2);
    let revoked = active.revoke(NOW, None).unwrap();
    let rotated = active.rotate(issuance("key_2"), DAY).unwrap();
    for silent in [&revoked, &rotated.old] {
        assert_eq!(Notice::all_due(silent, NOW), [], "{silent:?}");
    }
    assert_eq!(due(&rotated.new), [("key.expiring", 7), ("key.rotation_due", 7)], "it has a life of its own");
}

#[test]
fn a_notice_holds_until_its_key_changes_or_the_next_step_comes() {
    let key = key(Some(7 * DAY), None);
    let notice = Notice::due(Kind::Expiring, &key, NOW).unwrap();
    assert!(notice.holds(&key, NOW) && notice.holds(&key, NOW + 6 * DAY - 1));
    assert!(!notice.holds(&key, NOW + 6 * DAY), "a day is left, which is another step");
    assert!(!notice.holds(&Key { expires_at: Some(NOW + 7 * DAY + 1), ..key.clone() }, NOW + 2));
    assert!(!notice.holds(&key.revoke(NOW, None).unwrap(), NOW));
}

#[test]
fn a_day_that_has_begun_is_left() {
    let notice = Notice { kind: Kind::Expiring, comes_at: NOW + 7 * DAY, step: 7 };
    for (passed, left) in [(0, 7), (1, 7), (DAY - 1, 7), (DAY, 6), (7 * DAY - 1, 1), (7 * DAY, 0)] {
        assert_eq!(notice.days_left(NOW + passed), left, "{passed}");
    }
}

#[test]
fn at_the_first_look_all_that_comes_is_in_one_window() {
    let bounds = |at| windows(at, NOW).into_iter().map(|one| (one.after - NOW, one.until - NOW));
    let all = [(0, DAY), (DAY, 7 * DAY), (7 * DAY, 14 * DAY), (14 * DAY, 30 * DAY)];
    assert_eq!(bounds(None).collect::<Vec<_>>(), all);
    assert_eq!(bounds(Some(NOW - 40 * DAY)).collect::<Vec<_>>(), all, "nobody looked for long");
    let minute = [1, 7, 14, 30].map(|step| (step * DAY - 60, step * DAY));
    assert_eq!(bounds(Some(NOW - 60)).collect::<Vec<_>>(), minute);
    assert_eq!(bounds(Some(NOW)).count(), 0, "nothing is new");
    assert_eq!(bounds(Some(NOW + 60)).count(), 0, "a clock was put back");
}

/// However it is looked at, each step of a key is in exactly one look's windows.
#[test]
fn a_step_is_found_once_by_looks_of_any_distance() {
    for pause in [60, 5 * 3_600, DAY, 3 * DAY] {
        let end = NOW + 31 * DAY;
        let (mut now, mut looked_at, mut found) = (NOW, Some(NOW - 60), Vec::new());
        while now < end {
            found.extend(
                windows(looked_at, now).into_iter().filter(|one| one.after < end && end <= one.until),
            );
            looked_at = Some(now);
            now += pause;
        }
        assert_eq!(found.len(), 4, "every {pause} s");
    }
}

#[test]
fn a_failed_delivery_comes_again_for_about_a_day() {
    let plain = |failures| retry_after(failures, FIRST_RETRY, 128);
    assert_eq!([1, 2, 3, 7, 8, 29].map(plain), [30, 60, 120, 1_920, 3_600, 3_600].map(Some));
    assert_eq!(plain(30), None);
    let all: i64 = (1..30).filter_map(plain).sum();
    assert!((20 * 3_600..=26 * 3_600).contains(&all), "{all}");
    for jitter in [0, 255] {
        let moved = retry_after(1, 100, jitter).unwrap();
        assert!((75..=125).contains(&moved) && moved != 100, "{moved}");
    }
}
