//! `flint operators …`

use serde::Serialize;

use super::{Global, output};
use crate::clock;
use crate::store::Actor;
use crate::views::operator::{OperatorList, OperatorView, OperatorWithPassword};

#[derive(clap::Subcommand)]
pub(super) enum Operators {
    /// Add an operator and print the password once, to standard output
    Create {
        /// The name to sign in with
        name: String,
    },
    /// List operators
    List,
    /// Set an operator's password and end their sessions
    SetPassword {
        /// The name to sign in with
        name: String,
        /// Read the password from standard input instead of generating one
        #[arg(long)]
        stdin: bool,
    },
    /// Disable an operator and end their sessions
    Disable {
        /// The name to sign in with
        name: String,
    },
}

/// What `set-password --json` prints: no password if it came from standard input.
#[derive(Serialize)]
struct NewPassword<'a> {
    name: &'a str,
    password: Option<&'a str>,
}

impl Operators {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let store = match &self {
            Self::Create { .. } => global.open().await?,
            _ => global.open_existing().await?,
        };
        let (now, actor) = (clock::now(), Actor::cli());
        match self {
            Self::Create { name } => {
                let (operator, password) = store.create_operator(&name, now, &actor).await?;
                if global.json {
                    return output::json(&OperatorWithPassword::new(operator, &password));
                }
                eprintln!(
                    "{} can sign in with this password. Save it now: it is not shown again.",
                    operator.name
                );
                output::print(&format!("{}\n", password.reveal()))
            }
            Self::List => {
                let operators = store.operators().await?;
                if global.json {
                    return output::json(&OperatorList::from(operators));
                }
                let rows: Vec<_> = operators
                    .into_iter()
                    .map(|one| [one.name, clock::to_text(one.created_at), output::state(one.disabled_at)])
                    .collect();
                output::print(&output::table(["name", "created", "status"], &rows))
            }
            Self::SetPassword { name, stdin } => {
                let chosen = stdin.then(output::read_line).transpose()?;
                let made = store.set_password(&name, chosen, now, &actor).await?;
                let shown = made.as_ref().map(|password| password.reveal());
                if global.json {
                    return output::json(&NewPassword { name: &name, password: shown });
                }
                eprintln!("Changed the password of {name} and ended all sessions.");
                shown.map_or(Ok(()), |password| output::print(&format!("{password}\n")))
            }
            Self::Disable { name } => {
                let operator = store.disable_operator(&name, now, &actor).await?;
                if global.json {
                    return output::json(&OperatorView::from(operator));
                }
                output::print(&format!("{} is disabled\n", operator.name))
            }
        }
    }
}
