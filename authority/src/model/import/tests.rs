use super::*;
use crate::model::DAY;
use crate::model::lifecycle::Issuance;

const NOW: i64 = 1_790_000_000;
/// The SHA-256 of `abc` (FIPS 180-4).
const HEX: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const BASE64: &str = "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=";

fn parse(text: &str, format: Format, now: i64) -> Parsed {
    super::parse(text, format, 1_000, now).unwrap()
}

fn bad(parsed: &Parsed) -> Vec<(u64, &str)> {
    let of = |line: &BadLine| line.mistakes.iter().map(|one| one.field.clone()).collect::<Vec<_>>().join(" ");
    parsed.bad.first().iter().map(|line| (line.line, &*of(line).leak())).collect()
}

#[test]
fn a_digest_is_read_however_it_is_written() {
    let expected = Some(Digest::of(b"abc"));
    for text in [HEX, &HEX.to_uppercase(), BASE64, "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0"] {
        assert_eq!(parse_digest(text), expected, "{text}");
    }
    assert_eq!(parse_digest("ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0="), expected);
    for text in ["", "abc", &HEX[1..], &format!("{HEX}00"), "flint_live_abc123xyz789", "ungWv48Bz+pBQUDeXa4="]
    {
        assert_eq!(parse_digest(text), None, "{text}");
    }
}

#[test]
fn csv_and_json_lines_say_the_same() {
    let csv = format!(
        "sha256,name,environment,permissions,owner,allowed_cidrs,expires_at\n\
         {HEX},\"CI, main\",live,documents:read documents:write,org_7,::1 10.0.0.0/8,2027-01-15T08:00:00Z\n"
    );
    let json = format!(
        "{{\"sha256\": \"{BASE64}\", \"name\": \"CI, main\", \"environment\": \"live\", \
         \"permissions\": [\"documents:read\", \"documents:write\"], \"owner\": \"org_7\", \
         \"allowed_cidrs\": \"::1 10.0.0.0/8\", \"expires_at\": 1800000000}}\n"
    );
    let (csv, json) = (parse(&csv, Format::Csv, NOW), parse(&json, Format::JsonLines, NOW));
    assert!(csv.bad.is_empty() && json.bad.is_empty(), "{csv:?} {json:?}");
    assert_eq!((&csv.good[0].draft, csv.good[0].digest), (&json.good[0].draft, json.good[0].digest));
    assert_eq!((csv.good[0].number, json.good[0].number), (2, 1));
    assert_eq!(csv.good[0].draft.expires_at, Some(1_800_000_000));
}

#[test]
fn what_is_left_out_is_neither_an_end_nor_a_permission() {
    let parsed = parse(&format!("sha256,name,environment,owner\n{HEX},CI,test,\n"), Format::Csv, NOW);
    let draft = &parsed.good[0].draft;
    assert_eq!((draft.expires_at, draft.owner.as_deref(), draft.permissions.len()), (None, None, 0));
}

#[test]
fn every_bad_line_is_named_with_every_mistake() {
    let other = Digest::of(b"d").to_hex();
    let text = format!(
        "sha256,name,environment\n{HEX},a,live\nnonsense,,prod\n{BASE64},b,live\n{other},c\n\n{other},d,test\n"
    );
    let parsed = parse(&text, Format::Csv, NOW);
    assert_eq!(bad(&parsed), [(3, "sha256 environment name"), (4, "sha256"), (5, "line")]);
    assert_eq!(parsed.good.iter().map(|line| line.number).collect::<Vec<_>>(), [2, 7]);
    assert!(parsed.bad.first()[1].mistakes[0].message.contains("line 2"));
}

#[test]
fn bad_json_lines_are_named_too() {
    let text = format!(
        "{{\"sha256\": 7, \"name\": \"a\", \"environment\": \"live\"}}\n[]\n\nnonsense\n\
         {{\"name\": \"a\", \"environment\": \"live\"}}\n\
         {{\"sha256\": \"{HEX}\", \"name\": \"a\", \"environment\": \"live\", \"secret\": \"x\"}}\n"
    );
    let parsed = parse(&text, Format::JsonLines, NOW);
    assert_eq!(bad(&parsed), [(1, "sha256"), (2, "line"), (4, "line"), (5, "sha256"), (6, "line")]);
}

#[test]
fn wrong_headings_are_one_mistake() {
    for text in ["", "digest,name,environment\n", "sha256,name\nx,y\n", "sha256,name,environment,secret\n"] {
        assert_eq!(bad(&parse(text, Format::Csv, NOW)), [(1, "headings")], "{text}");
    }
}

#[test]
fn no_message_repeats_what_was_sent() {
    let text =
        "sha256,name,environment\nflint_live_abc123xyz789,flint_live_abc123xyz789,flint_live_abc123xyz789\n";
    let parsed = parse(text, Format::Csv, NOW);
    assert_eq!(parsed.bad.len(), 1);
    assert!(!format!("{:?}", parsed.bad).contains("abc123"));
}

#[test]
fn a_line_knows_its_key_again() {
    let read = |more: &str, now| {
        let (name, value) = more.split_once('=').unwrap_or(("owner", ""));
        let text = format!("sha256,name,environment,{name}\n{HEX},CI,live,{value}\n");
        parse(&text, Format::Csv, now).good.remove(0)
    };
    let make = |line: &GoodLine, now| {
        let issuance =
            Issuance { id: "key_1".into(), digest: line.digest, hint: None, now, by: "cli:test".into() };
        issuance.key(line.draft.clone())
    };
    // Another day, whether the line says when the key is due or not.
    for more in ["", "owner=org_7", "rotate_by=1799999999", "expires_at=1799999999"] {
        assert!(read(more, NOW + DAY).has_become(&make(&read(more, NOW), NOW + 7)), "{more}");
    }
    let (line, key) = (read("", NOW), make(&read("", NOW), NOW));
    assert!(!read("rotate_by=1799999999", NOW).has_become(&key));
    assert!(!read("permissions=a:read", NOW).has_become(&key));
    assert!(!line.has_become(&key.revoke(NOW + 1, None).unwrap()));
    assert!(!line.has_become(&Key { digest: Digest::of(b"d"), ..key.clone() }));
    assert!(!line.has_become(&Key { expires_at: Some(NOW + 9), ..key }));
}

#[test]
fn nothing_may_be_said_twice() {
    let json =
        format!(r#"{{"sha256": "{HEX}", "name": "CI", "environment": "live", "environment": "test"}}"#);
    assert_eq!(bad(&parse(&json, Format::JsonLines, NOW)), [(1, "line")]);
    let csv = format!("sha256,name,environment,Environment\n{HEX},CI,live,test\n");
    assert_eq!(bad(&parse(&csv, Format::Csv, NOW)), [(1, "headings")]);
}

#[test]
fn more_headings_than_there_are_fields_are_one_mistake() {
    let text = "name,".repeat(MOST_BYTES_A_LINE / 5);
    assert_eq!(bad(&parse(&text, Format::Csv, NOW)), [(1, "headings")]);
}

#[test]
fn a_line_that_is_too_long_is_not_taken_apart() {
    let commas = ",".repeat(MOST_BYTES_A_LINE + 1);
    for (text, number) in [
        (format!("{commas}\n"), 1),
        (format!("sha256,name,environment\n{HEX},a,live\n{commas}"), 3),
        (format!("sha256,name,environment\n{HEX},\"{}\",live", "x".repeat(MOST_BYTES_A_LINE)), 2),
    ] {
        let parsed = parse(&text, Format::Csv, NOW);
        assert_eq!((bad(&parsed), parsed.good.len()), (vec![(number, "line")], 0));
    }
    let json = format!("\n{{\"name\": \"{}\"}}", "x".repeat(MOST_BYTES_A_LINE));
    assert_eq!(bad(&parse(&json, Format::JsonLines, NOW)), [(2, "line")]);
}

#[test]
fn reading_stops_after_the_most_lines() {
    let csv: String = std::iter::once("sha256,name,environment\n".into())
        .chain((0..4).map(|number| format!("{},a,live\n\n", Digest::of(&[number]).to_hex())))
        .collect();
    assert_eq!(super::parse(&csv, Format::Csv, 4, NOW).map(|parsed| parsed.good.len()), Ok(4));
    assert_eq!(super::parse(&csv, Format::Csv, 3, NOW), Err(TooManyLines(3)));
    // Bad lines count like good ones.
    assert_eq!(super::parse(&"{}\n".repeat(1 << 20), Format::JsonLines, 3, NOW), Err(TooManyLines(3)));
}

#[test]
fn of_a_file_that_is_wrong_in_every_line_the_first_mistakes_are_kept() {
    let parsed = parse(&"{}\n".repeat(1_000), Format::JsonLines, NOW);
    let kept: usize = parsed.bad.first().iter().map(|line| line.mistakes.len()).sum();
    assert_eq!((parsed.bad.len(), kept), (1_000, MOST_MISTAKES));
}
