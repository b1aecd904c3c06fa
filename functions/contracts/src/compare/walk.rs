//! The walk over pairs of types. Each pair is compared once for each way, whoever leads to it: what is found there is one finding, and the operations that
//! reach it are found by going back.

use std::collections::{BTreeSet, VecDeque};

use foldhash::HashMap;
use shared::surface::{Digest, ElementId, Format, Surface};

use super::covers::Proofs;
use super::found::{Findings, Found};
use super::side::{SetId, Side};
use crate::finding::Severity;
use crate::rules::{self, Rule};

/// Pairs that are compared. More are not.
const PAIRS_MAX: usize = 300_000;

/// Which way a value goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Way {
    /// From the caller to the provider, as JSON or the like.
    Request,
    /// From the caller to the provider, as plain text, in which 1 and "1" are the same.
    Text,
    /// From the provider to the caller.
    Response,
}

impl Way {
    pub(super) fn is_request(self) -> bool {
        self != Self::Response
    }

    /// The rule for this way.
    pub(super) fn pick<T>(self, request: T, response: T) -> T {
        if self.is_request() { request } else { response }
    }

    /// The other way.
    pub(super) fn back(self) -> Self {
        self.pick(Self::Response, Self::Request)
    }
}

/// Where a change stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spots {
    pub before: Option<ElementId>,
    pub after: Option<ElementId>,
}

impl Spots {
    pub(super) fn of(before: ElementId, after: ElementId) -> Self {
        let some = |element| (element != ElementId::NONE).then_some(element);
        Self { before: some(before), after: some(after) }
    }

    pub(super) fn before(element: ElementId) -> Self {
        Self::of(element, ElementId::NONE)
    }

    pub(super) fn after(element: ElementId) -> Self {
        Self::of(ElementId::NONE, element)
    }

    fn or(self, other: Self) -> Self {
        Self { before: self.before.or(other.before), after: self.after.or(other.after) }
    }
}

/// Two types that are compared.
pub(super) struct Pair {
    pub before: SetId,
    pub after: SetId,
    pub way: Way,
    /// Both have this name: what has changed is the type, whoever uses it.
    name: Option<String>,
    /// Where it is used, the first of it first.
    sites: Vec<Site>,
    noted: Vec<Noted>,
}

/// A use of a pair.
struct Site {
    /// What it is called there: the nearest name, and the path from there.
    root: String,
    path: String,
    /// Whether the root is a type's name.
    is_named: bool,
    spots: Spots,
    from: From,
}

impl Site {
    /// Uses of one key have one cause. A part of a named type is a place of its own; what is written out in many operations is known by its last step.
    fn key(&self) -> String {
        let last = self.path.rfind(['.', '[', '(', '|']).and_then(|at| self.path.get(at..));
        match last {
            _ if self.is_named => format!("{}{}", self.root, self.path),
            Some(last) => last.to_owned(),
            // Of an operation, what follows its method and path: `request body`, `query x`.
            None => self.root.splitn(3, ' ').nth(2).unwrap_or(&self.root).to_owned(),
        }
    }
}

enum Noted {
    Found { rule: &'static Rule, severity: Severity, step: String, detail: String, text: String, spots: Spots },
    NotCompared { text: String },
}

/// Who leads to a pair.
#[derive(Clone, Copy)]
pub(super) enum From {
    /// An operation, by its number.
    Operation(u32),
    /// Another pair.
    Pair(u32),
    /// Nobody: types that no operation reaches.
    Nobody,
}

pub(super) struct Walk<'s> {
    pub before: Side<'s>,
    pub after: Side<'s>,
    pub format: Format,
    pub proofs: Proofs,
    pub findings: Findings<'s>,
    pub pairs: Vec<Pair>,
    known: HashMap<(Digest, Digest, Way), u32>,
    queue: VecDeque<u32>,
    /// The ids of the operations, by number.
    operations: Vec<String>,
    /// What is compared refuses no value: see [`super::flat::Flat::asides`].
    pub is_aside: bool,
    is_full: bool,
}

impl<'s> Walk<'s> {
    pub(super) fn new(before: &'s Surface, after: &'s Surface) -> Self {
        Self {
            before: Side::new(before),
            after: Side::new(after),
            format: before.format,
            proofs: Proofs::default(),
            findings: Findings::new(before, after),
            pairs: Vec::new(),
            known: HashMap::default(),
            queue: VecDeque::new(),
            operations: Vec::new(),
            is_aside: false,
            is_full: false,
        }
    }

    /// A number for an operation.
    pub(super) fn operation(&mut self, id: &str) -> u32 {
        self.operations.push(id.to_owned());
        u32::try_from(self.operations.len() - 1).unwrap_or(u32::MAX)
    }

    /// Two types are to be compared. `root` and `path` say what they are where they have no name.
    pub(super) fn compare(&mut self, types: (SetId, SetId), way: Way, from: From, place: (&str, &str), spots: Spots) {
        self.site(
            types,
            way,
            Site { root: place.0.to_owned(), path: place.1.to_owned(), is_named: false, spots, from },
        );
    }

    fn site(&mut self, (before, after): (SetId, SetId), way: Way, site: Site) {
        let digests = (self.before.digest(before), self.after.digest(after));
        if digests.0 == digests.1 {
            return;
        }
        let id = match self.known.get(&(digests.0, digests.1, way)) {
            Some(id) => *id,
            None if self.pairs.len() >= PAIRS_MAX => {
                self.is_full = true;
                return;
            }
            None => {
                let id = u32::try_from(self.pairs.len()).unwrap_or(u32::MAX);
                let name = self.before.name(before).filter(|name| Some(*name) == self.after.name(after));
                let name = name.map(ToString::to_string);
                self.pairs.push(Pair { before, after, way, name, sites: Vec::new(), noted: Vec::new() });
                self.known.insert((digests.0, digests.1, way), id);
                self.queue.push_back(id);
                id
            }
        };
        if let Some(pair) = self.pairs.get_mut(id as usize) {
            pair.sites.push(site);
        }
    }

    /// A part of a pair is to be compared.
    pub(super) fn inside(&mut self, parent: u32, types: (SetId, SetId), way: Way, step: &str, spots: Spots) {
        let (root, path, is_named) = self.place(parent);
        let path = format!("{path}{step}");
        // A path without end would be that of a cycle of types without names.
        let path = if path.len() > 400 { "…".to_owned() } else { path };
        self.site(types, way, Site { root, path, is_named, spots, from: From::Pair(parent) });
    }

    /// What a pair is called: by its name, or by its first use.
    fn place(&self, pair: u32) -> (String, String, bool) {
        let Some(pair) = self.pairs.get(pair as usize) else { return (String::new(), String::new(), false) };
        match (&pair.name, pair.sites.first()) {
            (Some(name), _) => (name.clone(), String::new(), true),
            (None, Some(site)) => (site.root.clone(), site.path.clone(), site.is_named),
            (None, None) => (String::new(), String::new(), false),
        }
    }

    /// Notes a change in a pair. `step` leads from the pair to what has changed, `detail` tells it from others of the same rule there.
    pub(super) fn note(&mut self, pair: u32, rule: &'static Rule, step: &str, detail: &str, text: &str, spots: Spots) {
        let rule = match (self.is_aside, rule.severity) {
            (true, Severity::Breaking | Severity::Dangerous) if rule.id.starts_with("request") => {
                &rules::REQUEST_UNUSED_LIMIT_CHANGED
            }
            (true, Severity::Breaking | Severity::Dangerous) => &rules::RESPONSE_UNUSED_LIMIT_CHANGED,
            (true, Severity::Compatible) => &rules::DETAIL_CHANGED,
            (false, _) => rule,
        };
        let severity = super::tables::severity(self.format, rule);
        if let Some(pair) = self.pairs.get_mut(pair as usize) {
            let (step, detail, text) = (step.to_owned(), detail.to_owned(), text.to_owned());
            pair.noted.push(Noted::Found { rule, severity, step, detail, text, spots });
        }
    }

    /// Notes that a pair was not compared.
    pub(super) fn give_up(&mut self, pair: u32, text: &str) {
        if let Some(pair) = self.pairs.get_mut(pair as usize) {
            pair.noted.push(Noted::NotCompared { text: text.to_owned() });
        }
    }

    /// Compares all pairs that are waiting, and those that they lead to.
    pub(super) fn run(&mut self) {
        while let Some(next) = self.queue.pop_front() {
            super::pair::compare(self, next);
        }
    }

    /// The findings with the operations that reach them. `cap` is the worst that can come of a type that no operation reaches.
    pub(super) fn finish(mut self, cap: Severity) -> Findings<'s> {
        if self.is_full || self.before.is_full || self.after.is_full || self.proofs.is_full() {
            let text = "The documents have more types than are compared.".to_owned();
            self.findings.not_compared(text, [], None, None);
        }
        let pairs = std::mem::take(&mut self.pairs);
        for (id, pair) in pairs.iter().enumerate().filter(|(_, pair)| !pair.noted.is_empty()) {
            let mut all: Option<BTreeSet<String>> = None;
            let groups = groups(pair);
            let own = Spots { before: self.before.element(pair.before), after: self.after.element(pair.after) };
            for noted in &pair.noted {
                // What has changed of the pair itself has as many causes as it has uses; what has changed in it has one.
                let is_use = pair.name.is_none() && matches!(noted, Noted::Found { step, .. } if step.is_empty());
                if is_use {
                    for group in &groups {
                        let operations = self.operations_of(reach(&pairs, group.iter().map(|site| site.from)));
                        let Some(site) = group.first() else { continue };
                        self.tell(
                            noted,
                            &format!("{}{}", site.root, site.path),
                            &site.key(),
                            operations,
                            site.spots.or(own),
                            cap,
                        );
                    }
                    continue;
                }
                let operations = if let Some(all) = &all {
                    all.clone()
                } else {
                    let found = self
                        .operations_of(reach(&pairs, [From::Pair(u32::try_from(id).unwrap_or(u32::MAX))].into_iter()));
                    all = Some(found.clone());
                    found
                };
                let called = match (&pair.name, pair.sites.first()) {
                    (Some(name), _) => name.clone(),
                    (None, Some(site)) => format!("{}{}", site.root, site.path),
                    (None, None) => String::new(),
                };
                let used = pair.sites.first().map(|site| site.spots).unwrap_or_default();
                self.tell(noted, &called, &called, operations, own.or(used), cap);
            }
        }
        self.findings
    }

    fn operations_of(&self, numbers: BTreeSet<u32>) -> BTreeSet<String> {
        numbers.into_iter().filter_map(|number| self.operations.get(number as usize).cloned()).collect()
    }

    fn tell(
        &mut self,
        noted: &Noted,
        called: &str,
        key: &str,
        operations: BTreeSet<String>,
        place: Spots,
        cap: Severity,
    ) {
        match noted {
            Noted::Found { rule, severity, step, detail, text, spots } => {
                let severity = if operations.is_empty() { (*severity).min(cap) } else { *severity };
                let spots = spots.or(place);
                self.findings.add(Found {
                    rule,
                    severity,
                    summary: format!("`{}`: {text}", super::flat::shown(&format!("{called}{step}"))),
                    subject: format!("{key}{step}\n{detail}"),
                    operations,
                    before: spots.before,
                    after: spots.after,
                });
            }
            Noted::NotCompared { text } => {
                if !operations.is_empty() || cap > Severity::Compatible {
                    let summary = format!("`{}`: {text}", super::flat::shown(called));
                    self.findings.not_compared(summary, operations, place.before, place.after);
                }
            }
        }
    }
}

/// The uses of a pair by their causes, in the order of these.
fn groups(pair: &Pair) -> Vec<Vec<&Site>> {
    let mut groups: std::collections::BTreeMap<String, Vec<&Site>> = std::collections::BTreeMap::new();
    for site in &pair.sites {
        groups.entry(site.key()).or_default().push(site);
    }
    groups.into_values().collect()
}

/// The operations that lead somewhere.
fn reach(pairs: &[Pair], from: impl Iterator<Item = From>) -> BTreeSet<u32> {
    let mut operations = BTreeSet::new();
    let mut seen = foldhash::HashSet::default();
    let mut todo: Vec<From> = from.collect();
    while let Some(next) = todo.pop() {
        match next {
            From::Operation(operation) => {
                operations.insert(operation);
            }
            From::Pair(pair) if seen.insert(pair) => {
                todo.extend(pairs.get(pair as usize).into_iter().flat_map(|pair| &pair.sites).map(|site| site.from));
            }
            From::Pair(_) | From::Nobody => {}
        }
    }
    operations
}
