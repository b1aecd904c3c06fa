//! The table of Protocol Buffers: what a change of `.proto` files does at each [`Level`].
//!
//! Fields and values are matched by their numbers, types, services and methods by their full names, files by their paths. The levels and what belongs to
//! each are those of buf's breaking rules (<https://buf.build/docs/breaking/rules/>), whose names are in the comments; where this table differs, the comment
//! says who breaks. One cause is one finding: a message that is gone is not told once more for each field, a rename not once for code and once for JSON.

mod enums;
mod fields;
mod files;
mod kinds;
mod messages;
mod services;
mod side;

use std::collections::{BTreeMap, BTreeSet};

use shared::surface::{ElementId, Surface};

use self::side::Side;
use super::Level;
use super::found::{Findings, Found};
use crate::finding::Severity;
use crate::rules::Rule;

/// From which level on a change breaks, and what it is at the levels before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct From {
    level: Level,
    below: Severity,
}

impl From {
    /// Compatible at the levels before.
    const fn of(level: Level) -> Self {
        Self { level, below: Severity::Compatible }
    }

    /// The worse of two.
    fn worse(self, other: Self) -> Self {
        Self { level: self.level.min(other.level), below: self.below.max(other.below) }
    }
}

/// A change, before it is judged.
struct Change<'c> {
    rule: &'static Rule,
    /// Nothing: the rule's own severity, at every level.
    from: Option<From>,
    summary: String,
    subject: String,
    /// The full name of the message or enumeration that it is about; empty where `operations` says it.
    of: &'c str,
    operations: BTreeSet<String>,
    before: Option<ElementId>,
    after: Option<ElementId>,
}

impl<'c> Change<'c> {
    fn new(rule: &'static Rule, of: &'c str, subject: impl Into<String>, summary: String) -> Self {
        let (subject, operations) = (subject.into(), BTreeSet::new());
        Self { rule, from: None, summary, subject, of, operations, before: None, after: None }
    }

    fn from(self, level: Level) -> Self {
        Self { from: Some(From::of(level)), ..self }
    }

    fn at(self, before: Option<ElementId>, after: Option<ElementId>) -> Self {
        Self { before, after, ..self }
    }

    fn reaching(self, operations: BTreeSet<String>) -> Self {
        Self { operations, ..self }
    }
}

/// The comparison under way.
struct Table<'t, 's, 'f> {
    before: Side<'s>,
    after: Side<'s>,
    level: Level,
    findings: &'t mut Findings<'f>,
    reached: BTreeMap<String, BTreeSet<String>>,
}

impl Table<'_, '_, '_> {
    fn add(&mut self, change: Change<'_>) {
        let severity = match change.from {
            None => change.rule.severity,
            Some(from) if self.level >= from.level => Severity::Breaking,
            Some(from) => from.below,
        };
        let mut operations = change.operations;
        if !change.of.is_empty() {
            operations.extend(self.reaching(change.of));
        }
        let (rule, summary, subject) = (change.rule, change.summary, change.subject);
        let (before, after) = (change.before, change.after);
        self.findings.add(Found { rule, severity, summary, subject, operations, before, after });
    }

    /// The operations that reach a type in either surface; a method's id stands for itself.
    fn reaching(&mut self, name: &str) -> BTreeSet<String> {
        if name.contains('/') {
            return BTreeSet::from([name.to_owned()]);
        }
        if let Some(known) = self.reached.get(name) {
            return known.clone();
        }
        let mut operations = self.before.reaching(name);
        operations.extend(self.after.reaching(name));
        self.reached.insert(name.to_owned(), operations.clone());
        operations
    }
}

/// Compares two surfaces of Protocol Buffers.
pub(super) fn compare(before: &Surface, after: &Surface, level: Level, findings: &mut Findings<'_>) {
    let (before, after) = (Side::of(before), Side::of(after));
    let mut table = Table { before, after, level, findings, reached: BTreeMap::new() };
    table.files();
    table.types();
    table.services();
}
