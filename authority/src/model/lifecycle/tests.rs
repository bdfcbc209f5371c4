use super::*;
use crate::model::DAY;
use crate::model::draft::NewKey;

const NOW: i64 = 1_790_000_000;

fn issuance(id: &str, now: i64) -> Issuance {
    Issuance { id: id.into(), digest: Digest::of(id.as_bytes()), hint: None, now, by: "ada".into() }
}

fn key() -> Key {
    let draft =
        NewKey { name: "CI".into(), environment: "live".into(), ..NewKey::default() }.check(NOW).unwrap();
    issuance("key_1", NOW).key(draft)
}

#[test]
fn a_state_follows_from_the_times() {
    let key = Key { not_before: Some(NOW + 10), expires_at: Some(NOW + 20), ..key() };
    for (now, expected) in
        [(9, State::Pending), (10, State::Active), (19, State::Active), (20, State::Expired)]
    {
        assert_eq!(key.state(NOW + now), expected, "{now}");
    }
    let revoked = Key { revoked_at: Some(NOW + 15), ..key };
    for (now, expected) in
        [(9, State::Pending), (14, State::Active), (15, State::Revoked), (25, State::Revoked)]
    {
        assert_eq!(revoked.state(NOW + now), expected, "{now}");
    }
}

#[test]
fn nothing_leads_away_from_revoked() {
    let revoked = key().revoke(NOW + 5, Some("leaked".into())).unwrap();
    assert_eq!((revoked.revoked_at, revoked.version), (Some(NOW + 5), 2));
    assert_eq!(revoked.revoke(NOW + 6, Some("again".into())), None);
    assert_eq!(revoked.rotate(issuance("key_2", NOW + 6), DAY).unwrap_err(), Refusal::Revoked);
    let later = Amendment { expires_at: Some(None), ..Amendment::default() }.check(NOW + 6).unwrap();
    assert_eq!(revoked.amend(NOW + 6, later).unwrap_err(), Refusal::Revoked);
}

#[test]
fn a_revocation_in_the_future_is_brought_forward_and_never_put_off() {
    let planned = Key { revoked_at: Some(NOW + 100), ..key() };
    assert_eq!(planned.revoke(NOW + 5, None).unwrap().revoked_at, Some(NOW + 5));
    assert_eq!(planned.amend(NOW, Amendment::default().check(NOW).unwrap()).unwrap_err(), Refusal::Revoked);
}

#[test]
fn rotation_gives_the_new_key_all_but_the_secret_and_the_old_one_an_end() {
    let old = Key { owner: Some("org_7".into()), allowed_cidrs: Some(vec!["::1".into()]), ..key() };
    let later = NOW + 80 * DAY;
    let rotation = old.rotate(issuance("key_2", later), DAY).unwrap();
    assert_eq!(rotation.old.expires_at, Some(later + DAY));
    assert_eq!(rotation.old.replaced_by.as_deref(), Some("key_2"));
    assert_eq!(rotation.new.replaces.as_deref(), Some("key_1"));
    assert_eq!(rotation.new.expires_at, Some(later + 90 * DAY));
    assert_eq!(rotation.new.rotate_by, Some(later + 90 * DAY));
    assert_eq!(rotation.new.owner, old.owner);
    assert_eq!(rotation.new.allowed_cidrs, old.allowed_cidrs);
    assert_ne!(rotation.new.digest, old.digest);
}

#[test]
fn an_overlap_never_outlasts_the_old_key() {
    let later = NOW + 90 * DAY - 60;
    let rotation = key().rotate(issuance("key_2", later), 7 * DAY).unwrap();
    assert_eq!(rotation.old.expires_at, Some(NOW + 90 * DAY));
}

#[test]
fn no_overlap_revokes_at_once() {
    let rotation = key().rotate(issuance("key_2", NOW + 5), 0).unwrap();
    assert_eq!(rotation.old.state(NOW + 5), State::Revoked);
    assert_eq!(rotation.new.state(NOW + 5), State::Active);
}

#[test]
fn a_key_is_rotated_once_and_only_while_it_lives() {
    let rotation = key().rotate(issuance("key_2", NOW), DAY).unwrap();
    let again = rotation.old.rotate(issuance("key_3", NOW), DAY).unwrap_err();
    assert_eq!(again, Refusal::Superseded("key_2".into()));
    assert!(rotation.new.rotate(issuance("key_3", NOW), DAY).is_ok());
    assert_eq!(key().rotate(issuance("key_2", NOW + 91 * DAY), DAY).unwrap_err(), Refusal::Expired);
}

#[test]
fn the_end_of_a_rotated_key_only_comes_nearer() {
    let old = key().rotate(issuance("key_2", NOW), DAY).unwrap().old;
    let end = |time| Amendment { expires_at: Some(time), ..Amendment::default() }.check(NOW).unwrap();
    assert!(old.amend(NOW, end(Some(NOW + 60))).unwrap().is_some());
    assert!(old.amend(NOW, end(Some(NOW + 2 * DAY))).is_err());
    assert!(old.amend(NOW, end(None)).is_err());
    assert!(key().amend(NOW, end(None)).unwrap().is_some());
}

#[test]
fn an_amendment_counts_versions_and_refuses_stale_ones() {
    let rename = |name: &str, version| {
        let amendment = Amendment { name: Some(name.into()), version: Some(version), ..Amendment::default() };
        amendment.check(NOW).unwrap()
    };
    let renamed = key().amend(NOW + 1, rename("Deploy", 1)).unwrap().unwrap();
    assert_eq!((renamed.name.as_str(), renamed.version, renamed.updated_at), ("Deploy", 2, NOW + 1));
    assert_eq!(renamed.amend(NOW + 2, rename("Late", 1)).unwrap_err(), Refusal::Stale(2));
    assert_eq!(renamed.amend(NOW + 2, rename("Deploy", 2)).unwrap(), None);
}

#[test]
fn only_what_is_over_can_be_removed() {
    assert_eq!(key().remove(NOW).unwrap_err(), Refusal::NotOver);
    assert!(key().remove(NOW + 90 * DAY).is_ok());
    assert!(key().revoke(NOW, None).unwrap().remove(NOW).is_ok());
}

#[test]
fn a_key_is_due_until_it_has_a_successor_or_is_over() {
    let key = Key { rotate_by: Some(NOW + 10), expires_at: Some(NOW + 20), ..key() };
    assert!(!key.is_due(NOW + 9));
    assert!(key.is_due(NOW + 10));
    assert!(!key.is_due(NOW + 20));
    assert!(!Key { replaced_by: Some("key_2".into()), ..key }.is_due(NOW + 10));
}
