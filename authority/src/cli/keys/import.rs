//! `flint keys import`

use std::io::{IsTerminal as _, Read, Write as _};
use std::path::PathBuf;

use anyhow::Context as _;
use serde::Serialize;

use crate::cli::{Exit, Global, colour, output};
use crate::clock;
use crate::model::import::{BadLine, BadLines, Format};
use crate::store::Actor;
use crate::store::keys::importing::{File, STEP};
use crate::views;
use crate::views::key::Imported;

/// The largest file, in bytes. All of it is in memory, and so are the keys that it makes.
const MOST_BYTES: u64 = 1024 * 1024 * 1024;
/// The most lines of a file.
const MOST_LINES: usize = 2_000_000;

/// Import existing keys by their SHA-256
///
/// The whole file is checked first; if any line is bad, nothing is imported. If the import is
/// interrupted, run the same command again: keys that are already imported are skipped. Shown below
/// the options.
const EXAMPLE: &str = "\
A CSV file begins with a line of headings; JSON lines use the same names:
  sha256,name,environment,permissions,expires_at
  <SHA-256 of the key>,Billing,live,documents:read documents:write,2027-01-15T08:00:00Z
  {\"sha256\": \"…\", \"name\": \"Billing\", \"environment\": \"live\", \"permissions\": [\"documents:read\"]}

Required: sha256, name, environment. Optional: permissions, owner, allowed_cidrs, not_before, expires_at, rotate_by.";

#[derive(clap::Args)]
#[command(after_help = EXAMPLE)]
pub(in crate::cli) struct Import {
    /// A file with one key per line, CSV or JSON lines; - for standard input
    file: PathBuf,
    /// The file's format, if its name does not end in .csv, .jsonl or .ndjson
    #[arg(long, value_parser = format)]
    format: Option<Format>,
    /// Only show what would happen
    #[arg(long)]
    dry_run: bool,
    /// Skip lines whose digest belongs to another key, instead of refusing the file
    #[arg(long)]
    skip_existing: bool,
}

impl Import {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let format = self.format()?;
        let file = File { text: self.read()?, format, most_lines: MOST_LINES };
        let (store, now, actor) = (global.open().await?, clock::now(), Actor::cli());
        let plan = store.plan_import(file, self.skip_existing, now).await?;
        if !plan.bad.is_empty() {
            return Err(refuse(global, &plan.bad)?.into());
        }
        let (count, skipped) = (plan.good.len(), plan.skipped);
        let ids = if self.dry_run || count == 0 {
            Vec::new()
        } else {
            let (progress, mut done) = (Progress::new(count), 0);
            let heard = |so_far| {
                done = so_far;
                progress.show(done);
            };
            let written = store.import_in_steps(&plan.good, &actor, heard).await;
            written.with_context(|| {
                format!("imported {done} of {count} keys; run the same command again for the rest")
            })?
        };
        if global.json {
            return output::json(&Imported { dry_run: self.dry_run, imported: count, skipped, ids });
        }
        let done = if self.dry_run { "would be imported" } else { "imported" };
        let were = if skipped == 1 { "was" } else { "were" };
        output::print(&format!("{} {done}, {skipped} {were} already here\n", views::count(count, "key")))
    }

    fn format(&self) -> anyhow::Result<Format> {
        let ending = self.file.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        let known = self.format.or_else(|| format(ending).ok());
        let message = "cannot tell the format from the file's name; add --format csv or --format jsonl";
        known.ok_or_else(|| Exit { code: 2, message: message.into() }.into())
    }

    fn read(&self) -> anyhow::Result<String> {
        if self.file.as_os_str() == "-" {
            return read_whole(std::io::stdin(), "standard input");
        }
        let name = self.file.display().to_string();
        let file = std::fs::File::open(&self.file).with_context(|| format!("cannot read {name}"))?;
        read_whole(file, &name)
    }
}

fn read_whole(file: impl Read, name: &str) -> anyhow::Result<String> {
    let mut text = String::new();
    let reading = file.take(MOST_BYTES + 1).read_to_string(&mut text);
    let length = reading.with_context(|| format!("cannot read {name} as UTF-8"))?;
    if length as u64 > MOST_BYTES {
        let message = format!("{name} is larger than {MOST_BYTES} bytes; import it in parts");
        return Err(Exit { code: 2, message }.into());
    }
    Ok(text)
}

/// What `--json` prints of a file that is refused.
#[derive(Serialize)]
struct RefusedFile<'a> {
    imported: usize,
    bad_lines: &'a [BadLine],
    bad_line_count: usize,
}

/// Names the first bad lines; nothing was imported.
fn refuse(global: &Global, bad: &BadLines) -> anyhow::Result<Exit> {
    if global.json {
        output::json(&RefusedFile { imported: 0, bad_lines: bad.first(), bad_line_count: bad.len() })?;
    } else {
        for line in bad.first() {
            for mistake in &line.mistakes {
                let line = colour::paint(colour::HEADING, &format!("line {}:", line.line));
                anstream::eprintln!("{line} {} {}", mistake.field, mistake.message);
            }
        }
        if bad.unnamed() > 0 {
            anstream::eprintln!("and {} more", views::count(bad.unnamed(), "line"));
        }
    }
    Ok(Exit {
        code: 2,
        message: format!("{} cannot be used; nothing was imported", views::count(bad.len(), "line")),
    })
}

fn format(word: &str) -> Result<Format, String> {
    match word {
        "csv" => Ok(Format::Csv),
        "jsonl" | "ndjson" => Ok(Format::JsonLines),
        _ => Err("must be csv or jsonl".into()),
    }
}

/// A bar on standard error, where somebody is looking.
struct Progress {
    total: usize,
    is_seen: bool,
}

impl Progress {
    fn new(total: usize) -> Self {
        Self { total, is_seen: std::io::stderr().is_terminal() && total > STEP }
    }

    fn show(&self, done: usize) {
        if self.is_seen {
            let filled = done * 40 / self.total.max(1);
            let end = if done == self.total { "\n" } else { "" };
            eprint!("\r[{:<40}] {done} of {}{end}", "#".repeat(filled), self.total);
            // A bar that is not seen at once does no harm.
            let _ = std::io::stderr().flush();
        }
    }
}
