use super::*;

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const NOW: i64 = 1_790_000_000;

fn family() -> Family {
    Family {
        id: "fam_1".into(),
        grant_id: "grant_1".into(),
        client_id: "client_1".into(),
        user_id: "user_1".into(),
        redirect_uri: "https://app.example/cb".into(),
        challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".into(),
        resource: "https://api.example".into(),
        scope: vec!["documents:read".into()],
        code_expires_at: NOW + CODE_SECONDS,
        used_at: None,
        expires_at: None,
        ended_at: None,
    }
}

const GOOD: ShownCode<'_> = ShownCode {
    client_id: "client_1",
    redirect_uri: Some("https://app.example/cb"),
    verifier: Some(VERIFIER),
};

#[test]
fn rfc6749_4_1_3_a_code_is_exchanged_by_its_client_in_its_time() {
    assert_eq!(family().exchange(&GOOD, NOW), Ok(()));
    assert_eq!(family().exchange(&GOOD, NOW + CODE_SECONDS - 1), Ok(()));
    assert_eq!(family().exchange(&GOOD, NOW + CODE_SECONDS), Err(Refusal::Invalid));
    let ended = Family { ended_at: Some(NOW), ..family() };
    assert_eq!(ended.exchange(&GOOD, NOW), Err(Refusal::Invalid));
    // OAuth 2.1 leaves the redirect URI out.
    assert_eq!(family().exchange(&ShownCode { redirect_uri: None, ..GOOD }, NOW), Ok(()));
}

#[test]
fn rfc9700_4_5_a_stolen_code_is_no_good_without_its_verifier_and_place() {
    let other = "a".repeat(43);
    for shown in [
        ShownCode { client_id: "client_2", ..GOOD },
        ShownCode { redirect_uri: Some("https://evil.example/cb"), ..GOOD },
        ShownCode { redirect_uri: Some("https://app.example/cb?"), ..GOOD },
        ShownCode { verifier: None, ..GOOD },
        ShownCode { verifier: Some(&other), ..GOOD },
        ShownCode { verifier: Some(&VERIFIER[1..]), ..GOOD },
    ] {
        assert_eq!(family().exchange(&shown, NOW), Err(Refusal::Invalid), "{shown:?}");
    }
}

#[test]
fn rfc6749_4_1_2_a_code_that_comes_again_from_its_client_ends_the_family() {
    let used = Family { used_at: Some(NOW), ..family() };
    assert_eq!(used.exchange(&GOOD, NOW + 1), Err(Refusal::Replay));
    assert_eq!(used.exchange(&GOOD, NOW + 3_600), Err(Refusal::Replay));
    assert_eq!(used.exchange(&ShownCode { verifier: None, ..GOOD }, NOW + 1), Err(Refusal::Replay));
    // Nobody ends what is another's, and nothing ends twice.
    assert_eq!(used.exchange(&ShownCode { client_id: "client_2", ..GOOD }, NOW + 1), Err(Refusal::Invalid));
    let ended = Family { ended_at: Some(NOW + 1), ..used };
    assert_eq!(ended.exchange(&GOOD, NOW + 2), Err(Refusal::Invalid));
}

#[test]
fn rfc9700_4_14_2_a_refresh_token_that_comes_again_ends_the_family() {
    let alive = Family { used_at: Some(NOW), expires_at: Some(NOW + 1_000), ..family() };
    let token = RefreshToken { expires_at: NOW + 100, used_at: None };
    assert_eq!(alive.refresh(token, "client_1", NOW), Ok(()));
    assert_eq!(alive.refresh(token, "client_1", NOW + 100), Err(Refusal::Invalid));
    assert_eq!(alive.refresh(token, "client_2", NOW), Err(Refusal::Invalid));
    let long = RefreshToken { expires_at: NOW + 9_999, used_at: None };
    assert_eq!(alive.refresh(long, "client_1", NOW + 1_000), Err(Refusal::Invalid));
    let used = RefreshToken { used_at: Some(NOW), ..token };
    assert_eq!(alive.refresh(used, "client_1", NOW), Err(Refusal::Replay));
    assert_eq!(alive.refresh(used, "client_1", NOW + 5_000), Err(Refusal::Replay));
    assert_eq!(alive.refresh(used, "client_2", NOW), Err(Refusal::Invalid));
    let ended = Family { ended_at: Some(NOW), ..alive };
    assert_eq!(ended.refresh(token, "client_1", NOW), Err(Refusal::Invalid));
    assert_eq!(ended.refresh(used, "client_1", NOW), Err(Refusal::Invalid));
}

#[test]
fn rfc6749_6_a_new_token_has_no_more_than_everybody_still_allows() {
    let list = |text: &str| text.split_whitespace().map(Into::into).collect::<Vec<String>>();
    for (wanted, client, user, grant, left) in [
        ("a:b c:d", "*", "*", "a:b c:d", "a:b c:d"),
        ("a:b c:d", "a:b", "*", "a:b c:d", "a:b"),
        ("a:b c:d", "*", "c:d", "a:b c:d", "c:d"),
        ("a:b c:d", "*", "*", "a:b", "a:b"),
        ("a:*", "a:b a:c", "a:c", "a:*", "a:c"),
        ("a:b", "a:b", "c:d", "a:b", ""),
    ] {
        assert_eq!(still_allowed(&list(wanted), &list(client), &list(user), &list(grant)), list(left));
    }
}
