//! Permissions to choose from: what the catalogue offers as resource × read and write, and room for
//! any other grant.
//!
//! A preset decides, and only with the preset "chosen" the grid counts: so that the form means the
//! same without scripts, whatever is left in the grid. Write does not imply read (contract §3), so
//! both is a separate choice.

use std::collections::BTreeMap;

use crate::dashboard::fields::Fields;
use crate::store::keys::catalogue::Offered;

/// Full access in words of the form.
pub(in crate::dashboard) const FULL: &str = "full";
const READ_ONLY: &str = "read";
const CHOSEN: &str = "chosen";
const NONE: &str = "none";

/// The part of a form with permissions, and what is chosen in it.
#[derive(Clone, Debug)]
pub(in crate::dashboard) struct Grid {
    pub(in crate::dashboard) preset: String,
    pub(in crate::dashboard) rows: Vec<GridRow>,
    /// Grants that are not in the catalogue, one a line.
    pub(in crate::dashboard) custom: String,
}

/// A resource.
#[derive(Clone, Debug)]
pub(in crate::dashboard) struct GridRow {
    pub(in crate::dashboard) resource: String,
    pub(in crate::dashboard) about: String,
    /// `none`, `read`, `write` or `both`.
    pub(in crate::dashboard) choice: &'static str,
    pub(in crate::dashboard) read: bool,
    pub(in crate::dashboard) write: bool,
    pub(in crate::dashboard) others: Vec<Other>,
}

/// A permission that is neither to read nor to write.
#[derive(Clone, Debug)]
pub(in crate::dashboard) struct Other {
    pub(in crate::dashboard) name: String,
    pub(in crate::dashboard) about: String,
    pub(in crate::dashboard) checked: bool,
}

impl GridRow {
    /// The choices of this resource: word, label, and whether it is taken.
    pub(in crate::dashboard) fn choices(&self) -> Vec<(&'static str, &'static str, bool, bool)> {
        [
            ("none", "None", true),
            ("read", "Read", self.read),
            ("write", "Write", self.write),
            ("both", "Read and write", self.read && self.write),
        ]
        .map(|(word, label, offered)| (word, label, offered, self.choice == word))
        .into()
    }
}

impl Grid {
    /// Nothing chosen yet.
    pub(in crate::dashboard) fn new(catalogue: &[Offered]) -> Self {
        Self { preset: CHOSEN.into(), rows: rows(catalogue, &[]), custom: String::new() }
    }

    /// As a key has it.
    pub(in crate::dashboard) fn of_grants(catalogue: &[Offered], grants: &[String]) -> Self {
        let preset = match grants {
            [] => NONE,
            [all] if all == "*" => FULL,
            _ => CHOSEN,
        };
        let offered = |grant: &&String| catalogue.iter().any(|one| one.name == **grant);
        let custom: Vec<_> =
            grants.iter().filter(|grant| preset == CHOSEN && !offered(grant)).map(String::as_str).collect();
        Self { preset: preset.into(), rows: rows(catalogue, grants), custom: custom.join("\n") }
    }

    /// As a form was sent.
    pub(in crate::dashboard) fn of_fields(catalogue: &[Offered], fields: &Fields) -> Self {
        let mut grid = Self::new(catalogue);
        grid.preset = fields.get("preset").into();
        grid.custom = fields.get("custom").into();
        for row in &mut grid.rows {
            let word = fields.get(&format!("grid.{}", row.resource));
            row.choice = row
                .choices()
                .into_iter()
                .find(|(choice, _, offered, _)| *choice == word && *offered)
                .map_or("none", |choice| choice.0);
            for other in &mut row.others {
                other.checked = fields.all("grant").any(|grant| grant == other.name);
            }
        }
        grid
    }

    /// What is chosen. The error is for the person.
    pub(in crate::dashboard) fn grants(&self) -> Result<Vec<String>, &'static str> {
        match self.preset.as_str() {
            FULL => Ok(vec!["*".into()]),
            NONE => Ok(Vec::new()),
            READ_ONLY => {
                let read =
                    self.rows.iter().filter(|row| row.read).map(|row| format!("{}:read", row.resource));
                Some(read.collect()).filter(|grants: &Vec<_>| !grants.is_empty()).ok_or(
                    "The catalogue has no read permissions yet. Choose permissions, or add some to the catalogue.",
                )
            }
            CHOSEN => Some(self.chosen())
                .filter(|grants| !grants.is_empty())
                .ok_or("Choose at least one permission, or another of the choices above."),
            _ => Err("Choose what is allowed."),
        }
    }

    fn chosen(&self) -> Vec<String> {
        let mut grants = Vec::new();
        for row in &self.rows {
            if matches!(row.choice, "read" | "both") {
                grants.push(format!("{}:read", row.resource));
            }
            if matches!(row.choice, "write" | "both") {
                grants.push(format!("{}:write", row.resource));
            }
            grants.extend(row.others.iter().filter(|other| other.checked).map(|other| other.name.clone()));
        }
        let custom = self.custom.split(|letter: char| letter.is_whitespace() || letter == ',');
        grants.extend(custom.filter(|grant| !grant.is_empty()).map(Into::into));
        grants
    }
}

/// The catalogue by resource, with what of it is granted.
fn rows(catalogue: &[Offered], grants: &[String]) -> Vec<GridRow> {
    let granted = |name: &str| grants.iter().any(|grant| grant == name);
    let mut rows = BTreeMap::<&str, GridRow>::new();
    for offered in catalogue {
        let Some((resource, action)) = offered.name.rsplit_once(':') else { continue };
        let row = rows.entry(resource).or_insert_with(|| GridRow {
            resource: resource.into(),
            about: String::new(),
            choice: "none",
            read: false,
            write: false,
            others: Vec::new(),
        });
        match action {
            "read" => row.read = true,
            "write" => row.write = true,
            _ => {
                let (name, about) = (offered.name.clone(), offered.description.clone());
                row.others.push(Other { checked: granted(&name), name, about });
                continue;
            }
        }
        row.about.push_str(if row.about.is_empty() || offered.description.is_empty() { "" } else { " · " });
        row.about.push_str(&offered.description);
    }
    let mut rows: Vec<GridRow> = rows.into_values().collect();
    for row in &mut rows {
        let held = |action: &str| granted(&format!("{}:{action}", row.resource));
        row.choice = match (row.read && held("read"), row.write && held("write")) {
            (false, false) => "none",
            (true, false) => "read",
            (false, true) => "write",
            (true, true) => "both",
        };
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue() -> Vec<Offered> {
        ["documents:read", "documents:write", "documents:share", "users:admins:read"]
            .map(|name| (name, "x").into())
            .into()
    }

    fn sent(text: &str) -> Result<Vec<String>, &'static str> {
        Grid::of_fields(&catalogue(), &Fields::parse(text.as_bytes()).unwrap()).grants()
    }

    #[test]
    fn a_preset_decides() {
        let rest = "&grid.documents=both&custom=a:b";
        assert_eq!(sent(&format!("preset=full{rest}")).unwrap(), ["*"]);
        assert_eq!(sent(&format!("preset=read{rest}")).unwrap(), ["documents:read", "users:admins:read"]);
        assert!(sent(&format!("preset=none{rest}")).unwrap().is_empty());
        assert!(sent(&format!("preset=root{rest}")).is_err() && sent("").is_err());
    }

    #[test]
    fn the_grid_counts_where_it_is_chosen() {
        let grants = sent(
            "preset=chosen&grid.documents=both&grid.users:admins=write&grant=documents:share&custom=a:b,%0Ac:*",
        );
        // Nobody offers users:admins:write, so it is not taken from the grid.
        assert_eq!(grants.unwrap(), ["documents:read", "documents:write", "documents:share", "a:b", "c:*"]);
        assert!(sent("preset=chosen&grid.documents=none").is_err());
    }

    #[test]
    fn what_a_key_has_comes_back_unchanged() {
        for grants in
            [vec!["*"], vec![], vec!["documents:write"], vec!["documents:read", "documents:share", "other:*"]]
        {
            let grants: Vec<String> = grants.into_iter().map(Into::into).collect();
            let grid = Grid::of_grants(&catalogue(), &grants);
            assert_eq!(grid.grants().unwrap(), grants);
        }
    }
}
