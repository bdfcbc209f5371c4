//! `flint keys check`

use serde::Serialize;

use crate::cli::{Exit, Global, output};
use crate::secret::{self, Checked};

#[derive(clap::Args)]
pub(in crate::cli) struct Check {}

/// What `--json` prints.
#[derive(Serialize)]
struct Verdict {
    result: &'static str,
}

impl Check {
    #[expect(clippy::unused_self, reason = "every verb is run alike")]
    pub(super) fn run(self, global: &Global) -> anyhow::Result<()> {
        let text = output::read_line()?;
        let (word, code) = match secret::check(&text) {
            Checked::Good => ("good", 0),
            Checked::WrongChecksum => ("wrong_checksum", 4),
            Checked::NotOurs => ("not_ours", 2),
        };
        let message = match word {
            "good" => "The checksum is right: flint made this key, or someone made it look so",
            "wrong_checksum" => "It looks like a flint key but its checksum is wrong: mistyped, or imported",
            _ => "this does not look like a flint key",
        };
        if global.json {
            output::json(&Verdict { result: word })?;
        } else if code == 0 {
            output::print(&format!("{message}\n"))?;
        }
        if code == 0 { Ok(()) } else { Err(Exit { code, message: message.into() }.into()) }
    }
}
