//! `flint doctor`: looks at a deployment and says what to do.

use serde::Serialize;

use super::{Exit, Global, colour, output};
use crate::clock;
use crate::doctor::finding::{Finding, Grade};
use crate::doctor::{database, network};

/// Check the database, clocks, gateways and keys, and say what to do
#[derive(clap::Args)]
pub(super) struct Doctor {
    /// Also check the authority from outside, at the URL that the gateways use
    #[arg(long)]
    url: Option<String>,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Findings<'a> {
    findings: &'a [Finding],
}

impl Doctor {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let mut findings = database::examine(&*global.open_existing().await?, clock::now()).await?;
        if let Some(url) = &self.url {
            findings.extend(network::probe(url).await);
        }
        if global.json {
            output::json(&Findings { findings: &findings })?;
        } else {
            output::print(&findings.iter().map(describe).collect::<String>())?;
        }
        let bad = findings.iter().filter(|one| one.grade == Grade::Bad).count();
        if bad == 0 {
            return Ok(());
        }
        Err(Exit { code: 1, message: format!("{bad} of {} checks failed", findings.len()) }.into())
    }
}

fn describe(finding: &Finding) -> String {
    let grade = colour::paint(colour::of_grade(finding.grade), finding.grade.as_str());
    let mut text = format!("{} {:<10} {}\n", colour::pad(&grade, 5), finding.check, finding.finding);
    if let Some(advice) = &finding.advice {
        text.push_str(&format!("{:16} → {advice}\n", ""));
    }
    text
}
