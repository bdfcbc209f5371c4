//! `routes`: the rules. Each is valid by itself, and no two are equal.

use flint_contract::permission::{Permission, Requirement};

use super::field::{Object, flag, list, text};
use super::json::Json;
use super::report::At;
use crate::route::{Asks, Routes, Rule, Template, Unmatched};

const FIELDS: &[&str] = &["path", "methods", "public", "all_of", "any_of"];

/// The longest name of a method.
const MAX_METHOD: usize = 64;

pub(super) fn read(json: Option<&Json>, at: &At<'_>, unmatched: Unmatched) -> Option<Routes> {
    let at = at.field("routes");
    let rules = match json {
        // Items that are not good are left out: equal ones among the rest are still told, by their
        // own places.
        Some(Json::List(items)) => items
            .iter()
            .enumerate()
            .filter_map(|(index, item)| Some((index, rule(item, &at.index(index))?)))
            .collect(),
        Some(_) => return at.refuse("must be a list"),
        None => Vec::new(),
    };
    let (places, rules): (Vec<usize>, Vec<Rule>) = rules.into_iter().unzip();
    match Routes::compile(rules, unmatched) {
        Ok(routes) => Some(routes),
        Err(clashes) => {
            for clash in clashes {
                if let (Some(first), Some(second)) = (places.get(clash.first), places.get(clash.second)) {
                    at.index(*second).refuse::<()>(format!(
                        "is equal to $.routes[{first}]: the same path and a method in common, or all methods in both"
                    ));
                }
            }
            None
        }
    }
}

fn rule(json: &Json, at: &At<'_>) -> Option<Rule> {
    let object = Object::open(json, at, FIELDS)?;
    let template = object.require(at, "path", |json, at| {
        let path = text(json, at)?;
        Template::parse(path).map_or_else(|rule| at.refuse(rule), Some)
    });
    let methods = object.read(at, "methods", methods);
    let public = object.read(at, "public", flag).unwrap_or(false);
    let all_of = object.read(at, "all_of", permissions);
    let any_of = object.read(at, "any_of", permissions);
    if public {
        for name in ["all_of", "any_of"].into_iter().filter(|name| object.get(name).is_some()) {
            at.field(name)
                .refuse::<()>("must not be where \"public\" is true: nothing is asked of anybody there");
        }
    }
    let asks = match Requirement::new(all_of.unwrap_or_default(), any_of.unwrap_or_default()) {
        Some(requirement) => Asks::Permissions(requirement),
        None if public => Asks::Nothing,
        None => Asks::Credential,
    };
    Some(Rule { template: template?, methods, asks })
}

fn methods(json: &Json, at: &At<'_>) -> Option<Vec<Box<str>>> {
    let methods = list(json, at, |json, at| {
        let method = text(json, at)?;
        // RFC 9110 §5.6.2, without the lower-case letters.
        let legal = |byte: u8| {
            byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&byte)
        };
        if (1..=MAX_METHOD).contains(&method.len()) && method.bytes().all(legal) {
            Some(Box::from(method))
        } else {
            at.refuse("must be a method in upper case, such as \"GET\"")
        }
    })?;
    once_each(json, at, methods)
}

fn permissions(json: &Json, at: &At<'_>) -> Option<Vec<Permission>> {
    let permissions = list(json, at, |json, at| {
        Permission::parse(text(json, at)?).or_else(|| {
            at.refuse(
                "must be a permission such as \"documents:read\": two or more segments of a-z, 0-9, \"_\", \".\" and \
                 \"-\" joined by \":\", each begun by a letter or digit, at most 64 characters, no wildcard",
            )
        })
    })?;
    once_each(json, at, permissions)
}

/// Refuses a list that is empty in the file, and one that names anything twice.
fn once_each<T: Ord>(json: &Json, at: &At<'_>, items: Vec<T>) -> Option<Vec<T>> {
    if matches!(json, Json::List(items) if items.is_empty()) {
        return at.refuse("must not be empty: leave it out to ask for nothing by it");
    }
    let mut sorted: Vec<&T> = items.iter().collect();
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
        return at.refuse("must not name anything twice");
    }
    Some(items)
}
