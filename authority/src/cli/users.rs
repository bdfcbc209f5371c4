//! `flint users …`

use serde_json::json;

use super::{Global, output};
use crate::clock;
use crate::secret::Secret;
use crate::store::Actor;
use crate::store::oauth::users::{NewUser, User, UserAmendment};
use crate::views::oauth::UserView;

#[derive(clap::Subcommand)]
pub(super) enum Users {
    /// Add a user and print the password once, to standard output
    Create {
        /// The name to sign in with
        name: String,
        /// A permission that they hold, and so may grant; repeat for more, omit for everything
        #[arg(long = "permission", value_name = "RESOURCE:ACTION")]
        permissions: Vec<String>,
        /// Read the password from standard input instead of generating one
        #[arg(long)]
        stdin: bool,
    },
    /// List users
    List,
    /// Show a user
    Show {
        /// Their name or id
        name: String,
    },
    /// Change the permissions that a user holds
    Update {
        /// Their name or id
        name: String,
        /// A permission that they hold; the ones given replace all; repeat for more
        #[arg(long = "permission", value_name = "RESOURCE:ACTION", required = true)]
        permissions: Vec<String>,
    },
    /// Set a user's password and end their sessions; what they granted stays
    SetPassword {
        /// Their name or id
        name: String,
        /// Read the password from standard input instead of generating one
        #[arg(long)]
        stdin: bool,
    },
    /// Disable a user: they are signed out, and their tokens stop working at once
    Disable {
        /// Their name or id
        name: String,
    },
    /// Enable a user again
    Enable {
        /// Their name or id
        name: String,
    },
}

impl Users {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let (now, actor) = (clock::now(), Actor::cli());
        match self {
            Self::Create { name, permissions, stdin } => {
                let password = stdin.then(output::read_line).transpose()?;
                let permissions = Some(permissions).filter(|list| !list.is_empty());
                let new = NewUser { name, permissions, password };
                let made = global.open().await?.create_user(new, now, &actor).await?;
                show_made(global, made, "can sign in")
            }
            Self::List => list(global).await,
            Self::Show { name } => show(global, &global.open_existing().await?.user(&name).await?),
            Self::Update { name, permissions } => {
                let amendment = UserAmendment { permissions: Some(permissions), disabled: None };
                show(global, &global.open_existing().await?.amend_user(&name, amendment, now, &actor).await?)
            }
            Self::SetPassword { name, stdin } => {
                let store = global.open_existing().await?;
                let password = stdin.then(output::read_line).transpose()?;
                let done = store.set_user_password(&name, password, now, &actor).await?;
                show_made(global, done, "has a new password, and all sessions have ended")
            }
            Self::Disable { name } => {
                let amendment = UserAmendment { permissions: None, disabled: Some(true) };
                show(global, &global.open_existing().await?.amend_user(&name, amendment, now, &actor).await?)
            }
            Self::Enable { name } => {
                let amendment = UserAmendment { permissions: None, disabled: Some(false) };
                show(global, &global.open_existing().await?.amend_user(&name, amendment, now, &actor).await?)
            }
        }
    }
}

/// The password alone on standard output, or all of it as JSON.
fn show_made(global: &Global, (user, made): (User, Option<Secret>), what: &str) -> anyhow::Result<()> {
    let view = UserView { user, password: made.map(|made| made.reveal().to_owned()) };
    if global.json {
        return output::json(&view);
    }
    eprintln!("{} {what}.", view.user.name);
    match view.password {
        Some(password) => {
            eprintln!("Save the password now: it is not shown again.");
            output::print(&format!("{password}\n"))
        }
        None => Ok(()),
    }
}

fn row(user: &User) -> [String; 5] {
    let state = output::state(user.disabled_at);
    let seen = output::time(user.last_sign_in_at, "never");
    [user.id.clone(), user.name.clone(), user.permissions.join(" "), seen, state]
}

const HEADINGS: [&str; 5] = ["id", "name", "permissions", "last sign-in", "status"];

fn show(global: &Global, user: &User) -> anyhow::Result<()> {
    if global.json {
        return output::json(user);
    }
    output::print(&output::table(HEADINGS, &[row(user)]))
}

async fn list(global: &Global) -> anyhow::Result<()> {
    let users = global.open_existing().await?.users().await?;
    if global.json {
        return output::json(&json!({ "users": users }));
    }
    let rows: Vec<_> = users.iter().map(row).collect();
    output::print(&output::table(HEADINGS, &rows))
}
