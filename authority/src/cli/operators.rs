//! `flint operators …`

use serde_json::json;

use super::{Global, output};
use crate::clock;
use crate::store::Actor;

#[derive(clap::Subcommand)]
pub(super) enum Operators {
    /// Add an operator; their password is printed once, to standard output
    Create {
        /// What they sign in with
        name: String,
    },
    /// List operators
    List,
    /// Give an operator another password and end their sessions
    SetPassword {
        /// What they sign in with
        name: String,
        /// Read the password from standard input instead of making one
        #[arg(long)]
        stdin: bool,
    },
    /// Shut an operator out and end their sessions
    Disable {
        /// What they sign in with
        name: String,
    },
}

impl Operators {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let (store, now, actor) = (global.open().await?, clock::now(), Actor::cli());
        match self {
            Self::Create { name } => {
                let (operator, password) = store.create_operator(&name, now, &actor).await?;
                if global.json {
                    let value =
                        json!({ "id": operator.id, "name": operator.name, "password": password.reveal() });
                    return output::json(&value);
                }
                eprintln!("{} may sign in with this password. It is not shown again.", operator.name);
                output::print(&format!("{}\n", password.reveal()))
            }
            Self::List => {
                let operators = store.operators().await?;
                if global.json {
                    let list: Vec<_> = operators
                        .iter()
                        .map(|one| {
                            json!({ "id": one.id, "name": one.name, "created_at": one.created_at,
                                    "disabled_at": one.disabled_at })
                        })
                        .collect();
                    return output::json(&json!({ "operators": list }));
                }
                let rows: Vec<_> = operators
                    .into_iter()
                    .map(|one| {
                        [
                            one.name,
                            clock::to_text(one.created_at),
                            output::time(one.disabled_at, "may sign in"),
                        ]
                    })
                    .collect();
                output::print(&output::table(["name", "created", "disabled"], &rows))
            }
            Self::SetPassword { name, stdin } => {
                let chosen = stdin.then(output::read_line).transpose()?;
                let made = store.set_password(&name, chosen, now, &actor).await?;
                let shown = made.as_ref().map(|password| password.reveal());
                if global.json {
                    return output::json(&json!({ "name": name, "password": shown }));
                }
                eprintln!("{name} has another password, and all sessions have ended.");
                shown.map_or(Ok(()), |password| output::print(&format!("{password}\n")))
            }
            Self::Disable { name } => {
                let operator = store.disable_operator(&name, now, &actor).await?;
                if global.json {
                    return output::json(
                        &json!({ "name": operator.name, "disabled_at": operator.disabled_at }),
                    );
                }
                output::print(&format!("{} is shut out\n", operator.name))
            }
        }
    }
}
