use super::*;

const NOW: i64 = 1_790_000_000;

fn plain() -> NewKey {
    NewKey { name: "CI".into(), environment: "live".into(), ..NewKey::default() }
}

fn fields(result: Result<impl std::fmt::Debug, Vec<Mistake>>) -> Vec<String> {
    result.unwrap_err().into_iter().map(|mistake| mistake.field).collect()
}

#[test]
fn what_is_left_out_has_a_default() {
    let draft = plain().check(NOW).unwrap();
    assert_eq!(draft.permissions, ["*"]);
    assert_eq!(draft.expires_at, Some(NOW + 90 * 86_400));
    assert_eq!(draft.rotate_by, draft.expires_at);
    assert_eq!(draft.allowed_cidrs, None);
}

#[test]
fn no_permissions_are_not_all_permissions() {
    let draft = NewKey { permissions: Some(vec![]), ..plain() }.check(NOW).unwrap();
    assert_eq!(draft.permissions, Vec::<String>::new());
}

#[test]
fn every_mistake_is_named_at_once() {
    let bad = NewKey {
        name: " \u{202e}evil".into(),
        environment: "prod".into(),
        permissions: Some(vec!["documents:read".into(), "Documents".into()]),
        owner: Some("org 7".into()),
        allowed_cidrs: Some(vec!["10.0.0.1/8".into()]),
        not_before: Some(-1),
        expires_at: Some(Some(NOW)),
        rotate_by: Some(Some(i64::MAX)),
    };
    let expected = [
        "environment",
        "name",
        "permissions[1]",
        "owner",
        "allowed_cidrs[0]",
        "not_before",
        "rotate_by",
        "expires_at",
    ];
    assert_eq!(fields(bad.check(NOW)), expected);
}

#[test]
fn a_name_is_trimmed_and_counted_in_characters() {
    let named = |name: String| NewKey { name, ..plain() }.check(NOW);
    assert_eq!(named(" Größe 🔑 ".into()).unwrap().name, "Größe 🔑");
    assert!(named("é".repeat(100)).is_ok());
    assert_eq!(fields(named("é".repeat(101))), ["name"]);
    assert_eq!(fields(named("   ".into())), ["name"]);
    assert_eq!(fields(named("a\nb".into())), ["name"]);
}

#[test]
fn whatever_cannot_be_seen_is_refused() {
    let named = |name: String| NewKey { name, ..plain() }.check(NOW);
    for letter in
        "\u{ad}\u{34f}\u{61c}\u{115f}\u{1160}\u{180e}\u{200b}\u{200d}\u{202e}\u{2029}\u{2065}\u{3164}\
                   \u{e000}\u{fdd0}\u{fe0f}\u{feff}\u{ffa0}\u{e0041}\u{e0100}\u{10fffd}"
            .chars()
    {
        assert_eq!(fields(named(format!("ed{letter}ge"))), ["name"], "{letter:?}");
        let reason = Reason::check(Some(format!("lea{letter}ked")));
        assert_eq!(fields(reason), ["reason"], "{letter:?}");
    }
    for blanks in ["\u{2800}", "\u{a0}\u{3000}", " \u{2800}\u{2003}"] {
        assert_eq!(fields(named(blanks.into())), ["name"], "{blanks:?}");
        assert_eq!(named(format!("{blanks}edge{blanks}")).unwrap().name, "edge");
    }
    for good in ["Größe 🔑", "東京 ゲートウェイ", "नमस्ते", "e\u{301}dge", "שלום", "a_b (c) <d>"]
    {
        assert_eq!(named(good.into()).unwrap().name, good);
    }
}

#[test]
fn grants_are_sorted_and_each_once() {
    let list = ["b:w", "a:r", "b:w"].map(String::from).to_vec();
    let draft = NewKey { permissions: Some(list), ..plain() }.check(NOW).unwrap();
    assert_eq!(draft.permissions, ["a:r", "b:w"]);
    let many = NewKey { permissions: Some(vec!["a:r".into(); 101]), ..plain() };
    assert_eq!(fields(many.check(NOW)), ["permissions"]);
    let many = NewKey { allowed_cidrs: Some(vec!["::1".into(); 101]), ..plain() };
    assert_eq!(fields(many.check(NOW)), ["allowed_cidrs"]);
}

#[test]
fn an_end_lies_after_the_beginning() {
    let between = |not_before, expires_at| {
        NewKey { not_before, expires_at: Some(expires_at), ..plain() }.check(NOW).map_err(|_| ())
    };
    assert!(between(Some(NOW + 10), Some(NOW + 11)).is_ok());
    assert!(between(Some(NOW + 10), Some(NOW + 10)).is_err());
    assert!(between(Some(NOW - 10), Some(NOW)).is_err());
    assert!(between(Some(NOW + 10), None).is_ok());
}

#[test]
fn no_message_repeats_what_was_sent() {
    let secret = "flint_live_abc123xyz789 ";
    let bad = NewKey {
        name: secret.repeat(10),
        environment: secret.into(),
        permissions: Some(vec![secret.into()]),
        owner: Some(secret.into()),
        allowed_cidrs: Some(vec![secret.into()]),
        ..plain()
    };
    let mistakes = bad.check(NOW).unwrap_err();
    assert_eq!(mistakes.len(), 5);
    assert!(mistakes.iter().all(|mistake| !format!("{mistake:?}").contains("abc123")));
}

#[test]
fn an_amendment_checks_only_what_it_has() {
    assert!(Amendment::default().check(NOW).unwrap().is_empty());
    let rename = Amendment { name: Some(" New ".into()), ..Amendment::default() };
    assert_eq!(Amendment::from(rename.check(NOW).unwrap()).name.as_deref(), Some("New"));
    let past = Amendment { expires_at: Some(Some(NOW)), ..Amendment::default() };
    assert_eq!(fields(past.check(NOW)), ["expires_at"]);
    let forever = Amendment { expires_at: Some(None), owner: Some(None), ..Amendment::default() };
    assert!(forever.check(NOW).is_ok());
}
