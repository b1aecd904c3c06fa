//! Gathering what was found.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use ring::digest::{SHA256, digest};
use shared::surface::{ElementId, Surface};

use crate::finding::{Comparison, Finding, Location, NotCompared, Severity, Verdict};
use crate::rules::Rule;

/// Findings that are told one by one; more are counted in one of [`Comparison::not_compared`].
const FINDINGS_MAX: usize = 20_000;

/// Something that was found.
pub(super) struct Found {
    /// Which rule.
    pub(super) rule: &'static Rule,
    /// How bad it is here: the rule's own severity, unless the format's table says otherwise.
    pub(super) severity: Severity,
    /// What has changed, in one sentence.
    pub(super) summary: String,
    /// What it is about, the same whatever else changes: a path of names and the values that count. With the rule it makes the fingerprint, and what has
    /// the same of both is one finding.
    pub(super) subject: String,
    /// The ids of the operations that it reaches.
    pub(super) operations: BTreeSet<String>,
    /// Where it stood.
    pub(super) before: Option<ElementId>,
    /// Where it stands.
    pub(super) after: Option<ElementId>,
}

/// The operations that something reaches, and where it stood and stands.
type Reached = (BTreeSet<String>, Option<ElementId>, Option<ElementId>);

/// What was found so far.
pub(super) struct Findings<'s> {
    before: &'s Surface,
    after: &'s Surface,
    found: BTreeMap<(&'static str, String), Found>,
    not_compared: BTreeMap<String, Reached>,
    more: usize,
}

impl<'s> Findings<'s> {
    /// None yet.
    pub(super) fn new(before: &'s Surface, after: &'s Surface) -> Self {
        Self { before, after, found: BTreeMap::new(), not_compared: BTreeMap::new(), more: 0 }
    }

    /// Notes one. What is known by its rule and subject gains operations, and keeps the worse severity.
    pub(super) fn add(&mut self, found: Found) {
        if found.severity == Severity::Compatible && self.found.len() >= FINDINGS_MAX {
            self.more += 1;
            return;
        }
        match self.found.entry((found.rule.id, found.subject.clone())) {
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(found);
            }
            std::collections::btree_map::Entry::Occupied(mut place) => {
                let known = place.get_mut();
                known.operations.extend(found.operations);
                known.severity = known.severity.max(found.severity);
            }
        }
    }

    /// Notes that something was not compared, and why.
    pub(super) fn not_compared(
        &mut self,
        summary: String,
        operations: impl IntoIterator<Item = String>,
        before: Option<ElementId>,
        after: Option<ElementId>,
    ) {
        let place = self.not_compared.entry(summary).or_insert_with(|| (BTreeSet::new(), before, after));
        place.0.extend(operations);
    }

    /// Whether nothing was noted.
    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty() && self.not_compared.is_empty()
    }

    /// All of it.
    pub(super) fn finish(self) -> Comparison {
        let (before, after) = (self.before, self.after);
        let mut not_compared: Vec<NotCompared> = self
            .not_compared
            .into_iter()
            .map(|(summary, (operations, old, new))| NotCompared {
                summary,
                operations: operations.into_iter().collect(),
                before: location(before, old),
                after: location(after, new),
            })
            .collect();
        if self.more > 0 {
            not_compared.push(NotCompared {
                summary: format!("{} more changes that break nobody are not listed.", self.more),
                operations: Vec::new(),
                before: None,
                after: None,
            });
        }
        let mut findings: Vec<(String, Finding)> = self
            .found
            .into_values()
            .map(|found| {
                let finding = Finding {
                    rule: found.rule.id,
                    severity: found.severity,
                    summary: found.summary,
                    operations: found.operations.into_iter().collect(),
                    before: location(before, found.before),
                    after: location(after, found.after),
                    fingerprint: fingerprint(found.rule, &found.subject),
                };
                (found.subject, finding)
            })
            .collect();
        findings.sort_by(|(left_subject, left), (right_subject, right)| {
            (right.severity, left.rule, left_subject).cmp(&(left.severity, right.rule, right_subject))
        });
        let findings: Vec<Finding> = findings.into_iter().map(|(_, finding)| finding).collect();
        let worst = findings.first().map_or(Verdict::Compatible, |finding| match finding.severity {
            Severity::Compatible => Verdict::Compatible,
            Severity::Dangerous => Verdict::Dangerous,
            Severity::Breaking => Verdict::Breaking,
        });
        let verdict = if not_compared.is_empty() { worst } else { worst.max(Verdict::Dangerous) };
        Comparison { verdict, findings, not_compared }
    }
}

fn location(surface: &Surface, element: Option<ElementId>) -> Option<Location> {
    let element = element?;
    let position = surface.position(element)?;
    Some(Location {
        file: surface.files.get(position.file as usize).map(|file| file.0.to_string()).unwrap_or_default(),
        line: position.line,
        column: position.column,
        pointer: surface.path(element),
    })
}

fn fingerprint(rule: &Rule, subject: &str) -> String {
    let hash = digest(&SHA256, format!("1\n{}\n{subject}", rule.id).as_bytes());
    hash.as_ref().iter().take(16).fold(String::new(), |mut text, byte| {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
