//! The audit log as it is shown.

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::clock;
use crate::store::audit::AuditLine;

/// A page of the log, the youngest line first.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AuditPage {
    /// The lines of this page.
    pub lines: Vec<AuditLine>,
    /// Where the next page begins; `null` on the last one.
    pub next_cursor: Option<i64>,
}

/// The lines as JSON, one object a line.
#[must_use]
pub fn to_json_lines(lines: &[AuditLine]) -> String {
    lines.iter().map(|line| format!("{}\n", json!(line))).collect()
}

/// The lines as comma-separated values, with headings. What a spreadsheet would take for a formula
/// is defused.
#[must_use]
pub fn to_csv(lines: &[AuditLine]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let headings = [
        "seq",
        "at",
        "actor_kind",
        "actor",
        "address",
        "action",
        "subject_kind",
        "subject",
        "before",
        "after",
    ];
    let json = |value: &Option<Value>| value.as_ref().map(Value::to_string).unwrap_or_default();
    // Writing to memory does not fail.
    let _ = writer.write_record(headings);
    for line in lines {
        let _ = writer.write_record([
            line.seq.to_string(),
            clock::to_text(line.at),
            defused(&line.actor_kind),
            defused(&line.actor),
            line.address.clone().unwrap_or_default(),
            line.action.clone(),
            line.subject_kind.clone(),
            defused(&line.subject),
            json(&line.before),
            json(&line.after),
        ]);
    }
    writer.into_inner().ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}

fn defused(text: &str) -> String {
    let quote = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    format!("{quote}{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_would_calculate_is_text() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"] {
            assert_eq!(defused(formula), format!("'{formula}"));
        }
        assert_eq!(defused("a=1"), "a=1");
    }
}
