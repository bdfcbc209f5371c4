use super::*;
use crate::oauth::client::{Amendment, NewClient};

const NOW: i64 = 1_790_000_000;
const ID: &str = "client_01JF8Z00000000000000000000";

fn known(kind: &str, secrets: &[(&str, Option<i64>)]) -> Known {
    let rest =
        Amendment { redirect_uris: Some(vec!["https://app.example/cb".into()]), ..Amendment::default() };
    let new = NewClient { name: "App".into(), kind: Some(kind.into()), environment: "live".into(), rest };
    let client = Client {
        id: ID.into(),
        registration: new.check().unwrap(),
        created_at: 0,
        created_by: String::new(),
        disabled_at: None,
        last_used_at: None,
    };
    let secrets = secrets.iter().map(|(secret, end)| (Digest::of(secret.as_bytes()), *end)).collect();
    Known { client, secrets }
}

fn header(pair: &str) -> Vec<u8> {
    format!("Basic {}", STANDARD.encode(pair)).into_bytes()
}

fn shown(header: Option<&[u8]>, body: &str) -> Result<Shown, Fault> {
    let lines: Vec<&[u8]> = header.into_iter().collect();
    read(&lines, &Params::parse(body.as_bytes()).unwrap())
}

fn judged(header: Option<&[u8]>, body: &str, known: &Known) -> Result<(), &'static str> {
    let issuer = "https://auth.example".parse().unwrap();
    let shown = shown(header, body).map_err(|fault| fault.code)?;
    let known = Some(known).filter(|known| known.client.id == shown.client_id);
    judge(&shown, known, &issuer, NOW).map(|_| ()).map_err(|fault| fault.code)
}

#[test]
fn rfc6749_2_3_1_a_secret_comes_in_the_header_or_in_the_body() {
    let known = known("confidential", &[("new", None), ("old", Some(NOW + 1)), ("older", Some(NOW))]);
    for (pair, good) in [
        (format!("{ID}:new"), true),
        (format!("{ID}:old"), true),
        (format!("{ID}:older"), false),
        (format!("{ID}:wrong"), false),
        (format!("{ID}:"), false),
        (ID.to_owned(), false),
        (":new".into(), false),
        (format!("{}:n%65w", ID.replace('_', "%5F")), true),
    ] {
        let expected = if good { Ok(()) } else { Err("invalid_client") };
        assert_eq!(judged(Some(&header(&pair)), "", &known), expected, "{pair}");
    }
    assert_eq!(judged(None, &format!("client_id={ID}&client_secret=new"), &known), Ok(()));
    assert_eq!(judged(None, &format!("client_id={ID}&client_secret=x"), &known), Err("invalid_client"));
    assert_eq!(judged(None, &format!("client_id={ID}"), &known), Err("invalid_client"));
    assert_eq!(judged(None, "client_secret=new", &known), Err("invalid_client"));
    assert_eq!(judged(None, "", &known), Err("invalid_client"));
    for bad in [&b"Basic"[..], b"Basic !", b"Bearer abc", b"Basic /w==", b"\xff"] {
        assert_eq!(judged(Some(bad), "", &known), Err("invalid_client"), "{bad:?}");
    }
}

#[test]
fn rfc6749_2_3_a_client_authenticates_in_one_way_only() {
    let known = known("confidential", &[("new", None)]);
    let good = header(&format!("{ID}:new"));
    assert_eq!(judged(Some(&good), &format!("client_id={ID}"), &known), Ok(()));
    for body in [
        "client_id=client_01JF8Z00000000000000000001".to_owned(),
        "client_secret=new".into(),
        format!("client_id={ID}&client_secret=new"),
        format!("client_assertion=a.b.c&client_assertion_type={ASSERTION_TYPE}"),
        format!("client_id={ID}&client_id={ID}"),
    ] {
        assert_eq!(judged(Some(&good), &body, &known), Err("invalid_request"), "{body}");
    }
    let both = format!("client_id={ID}&client_secret=new&client_assertion=a.b.c");
    assert_eq!(judged(None, &both, &known), Err("invalid_request"));
    assert_eq!(judged(None, "client_assertion=a.b.c", &known), Err("invalid_request"));
    let twice = [good.as_slice(), good.as_slice()];
    assert_eq!(read(&twice, &Params::default()).err().map(|fault| fault.code), Some("invalid_request"));
}

#[test]
fn rfc6749_2_1_a_public_client_shows_its_id_and_no_secret() {
    let known = known("public", &[]);
    assert_eq!(judged(None, &format!("client_id={ID}"), &known), Ok(()));
    // Without a value it counts as left out.
    assert_eq!(judged(None, &format!("client_id={ID}&client_secret="), &known), Ok(()));
    assert_eq!(judged(None, &format!("client_id={ID}&client_secret=x"), &known), Err("invalid_client"));
    assert_eq!(judged(Some(&header(&format!("{ID}:"))), "", &known), Err("invalid_client"));
}

#[test]
fn a_disabled_client_is_refused_like_an_unknown_one() {
    let mut known = known("public", &[]);
    known.client.disabled_at = Some(NOW);
    assert_eq!(judged(None, &format!("client_id={ID}"), &known), Err("invalid_client"));
    assert_eq!(judged(None, "client_id=client_01JF8Z00000000000000000001", &known), Err("invalid_client"));
}
