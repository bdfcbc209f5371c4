//! Routes: what a request's path and method require of its credential (contract §3, "Routes").
//!
//! 1. A template is literal segments, `{name}` for one segment that is not empty, and a final `/**`
//!    for the rest. `/admin/**` covers `/admin`, `/admin/` and everything below: a slash must not
//!    lead around a rule that protects.
//! 2. The most specific rule wins, whatever the order in the file: segment by segment from the
//!    left, a literal beats `{name}` beats `/**`.
//! 3. At one path a rule that lists the method beats the one for all methods. A rule that lists
//!    other methods does not match; the next less specific one is looked at. HEAD is what HEAD is
//!    listed as, else what GET is.
//! 4. An absent path and `*` match no rule.
//! 5. If there are any rules, a path that is not in normal form is refused, because two servers may
//!    read it in two ways.
//!
//! Methods are compared without regard to letter case. They are case-sensitive (RFC 9110 §9.1), but
//! an upstream that takes `get` for GET must not be reached past the rule for GET.

mod template;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use flint_contract::permission::Requirement;
pub use template::{MAX_SEGMENTS, MAX_TEMPLATE, Template, is_normal};
use template::{Segment, first_segment};

/// What a request must bring to be forwarded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Access<'a> {
    /// Nothing: the credential is not even read.
    Public,
    /// Any credential that is accepted.
    Authenticated,
    /// A credential that is accepted and meets this.
    Requires(&'a Requirement),
    /// A permission that nobody holds.
    Nobody,
}

/// What a rule asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Asks {
    /// Nothing.
    Nothing,
    /// Any accepted credential.
    Credential,
    /// An accepted credential that meets this.
    Permissions(Requirement),
}

/// What is asked for where no rule matches.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Unmatched {
    /// Any accepted credential.
    Authenticated,
    /// A permission that nobody holds.
    #[default]
    Deny,
}

/// One rule as the configuration has it.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Where it holds.
    pub template: Template,
    /// The methods it holds for, upper-case; `None` is all.
    pub methods: Option<Vec<Box<str>>>,
    /// What it asks for.
    pub asks: Asks,
}

/// Two rules that would match the same requests: equal templates, whatever the names in them, and a
/// method in common or all methods in both. The numbers are places in the list of rules, the lower
/// first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Clash {
    /// The rule that came first.
    pub first: usize,
    /// The rule that repeats it.
    pub second: usize,
}

/// The rules, compiled: a tree over path segments. Finding allocates nothing, and goes at most
/// [`MAX_SEGMENTS`] deep.
#[derive(Debug, Default)]
pub struct Routes {
    root: Node<Asks>,
    any: bool,
    unmatched: Unmatched,
}

/// Things that are found by path, whatever the method, as routes are.
#[derive(Debug)]
pub struct Places<T>(Node<T>);

#[derive(Debug)]
struct Node<T> {
    literals: BTreeMap<Box<[u8]>, Node<T>>,
    name: Option<Box<Node<T>>>,
    /// What stands for the templates that end here.
    here: Slots<T>,
    /// What stands for the templates that continue with `/**`.
    rest: Slots<T>,
}

/// What stands for one template, by method.
#[derive(Debug)]
struct Slots<T> {
    listed: BTreeMap<Box<[u8]>, Slot<T>>,
    all: Option<Slot<T>>,
}

#[derive(Debug)]
struct Slot<T> {
    rule: usize,
    asks: T,
}

// === impl Routes ===

impl Routes {
    /// Compiles rules, in any order.
    ///
    /// # Errors
    ///
    /// Every pair of equal rules.
    pub fn compile(rules: Vec<Rule>, unmatched: Unmatched) -> Result<Self, Vec<Clash>> {
        let any = !rules.is_empty();
        let mut root = Node::default();
        let mut clashes = Vec::new();
        for (index, rule) in rules.into_iter().enumerate() {
            let slots = root.slots(rule.template.segments());
            if let Some(first) = slots.insert(index, rule.methods, rule.asks) {
                clashes.push(Clash { first, second: index });
            }
        }
        if clashes.is_empty() { Ok(Self { root, any, unmatched }) } else { Err(clashes) }
    }

    /// What a request asks for. `path` is `:path` as it came, query included; `None` if there is
    /// none (CONNECT).
    #[must_use]
    pub fn find(&self, method: &[u8], path: Option<&[u8]>) -> Access<'_> {
        let unmatched = match self.unmatched {
            Unmatched::Authenticated => Access::Authenticated,
            Unmatched::Deny => Access::Nobody,
        };
        let Some(path) = self.path(path) else { return unmatched };
        if !is_normal(path) {
            return Access::Nobody;
        }
        match self.root.find(method, path.strip_prefix(b"/")) {
            None => unmatched,
            Some(Asks::Nothing) => Access::Public,
            Some(Asks::Credential) => Access::Authenticated,
            Some(Asks::Permissions(requirement)) => Access::Requires(requirement),
        }
    }

    /// Whether there are rules, and the path can be read in more than one way: it then matches none
    /// of them, and no request with it may pass.
    #[must_use]
    pub fn is_ambiguous(&self, path: Option<&[u8]>) -> bool {
        self.path(path).is_some_and(|path| !is_normal(path))
    }

    /// The path without its query, where there are rules and it may match one.
    fn path<'p>(&self, path: Option<&'p [u8]>) -> Option<&'p [u8]> {
        let path = path.filter(|path| self.any && *path != b"*")?;
        path.split(|byte| *byte == b'?').next()
    }
}

// === impl Places ===

impl<T: Clone> Places<T> {
    /// Puts a thing at a template. Returns the number of the one that is there already.
    pub fn put(&mut self, number: usize, template: &Template, thing: T) -> Option<usize> {
        self.0.slots(template.segments()).insert(number, None, thing)
    }

    /// What the most specific template has. `path` is `:path` as it came; one that is not in normal
    /// form has nothing.
    #[must_use]
    pub fn find(&self, path: &[u8]) -> Option<&T> {
        let path = path.split(|byte| *byte == b'?').next().filter(|path| is_normal(path))?;
        self.0.find(b"", path.strip_prefix(b"/"))
    }
}

impl<T> Default for Places<T> {
    fn default() -> Self {
        Self(Node::default())
    }
}

// === impl Node ===

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self { literals: BTreeMap::new(), name: None, here: Slots::default(), rest: Slots::default() }
    }
}

impl<T: Clone> Node<T> {
    /// Where the things of a template are kept, made if need be.
    fn slots(&mut self, segments: &[Segment]) -> &mut Slots<T> {
        let mut node = self;
        for segment in segments {
            node = match segment {
                Segment::Literal(literal) => node.literals.entry(literal.clone()).or_default(),
                Segment::Name => node.name.get_or_insert_default(),
                // Always the last.
                Segment::Rest => return &mut node.rest,
            };
        }
        &mut node.here
    }

    /// `remaining` is the path after the slash that follows this node; `None` where the path ends
    /// here.
    fn find(&self, method: &[u8], remaining: Option<&[u8]>) -> Option<&T> {
        let Some(remaining) = remaining else {
            return self.here.find(method).or_else(|| self.rest.find(method));
        };
        let (segment, after) = first_segment(remaining);
        let literal = || self.literals.get(segment)?.find(method, after);
        let name = || self.name.as_ref().filter(|_| !segment.is_empty())?.find(method, after);
        literal().or_else(name).or_else(|| self.rest.find(method))
    }
}

// === impl Slots ===

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { listed: BTreeMap::new(), all: None }
    }
}

impl<T: Clone> Slots<T> {
    /// Adds a rule; the answer is a rule that it equals.
    fn insert(&mut self, rule: usize, methods: Option<Vec<Box<str>>>, asks: T) -> Option<usize> {
        let Some(methods) = methods else {
            let first = self.all.as_ref().map(|slot| slot.rule);
            self.all = Some(Slot { rule, asks });
            return first;
        };
        let mut first = None;
        for method in methods {
            let slot = Slot { rule, asks: asks.clone() };
            let equal = self.listed.insert(method.into_boxed_bytes(), slot);
            first = first.or(equal.map(|slot| slot.rule));
        }
        first
    }

    fn find(&self, method: &[u8]) -> Option<&T> {
        let listed = |name: &[u8]| {
            self.listed.iter().find(|(listed, _)| listed.eq_ignore_ascii_case(name)).map(|(_, slot)| slot)
        };
        let head = || method.eq_ignore_ascii_case(b"HEAD").then(|| listed(b"GET")).flatten();
        listed(method).or_else(head).or(self.all.as_ref()).map(|slot| &slot.asks)
    }
}
