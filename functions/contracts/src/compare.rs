//! The comparison of two surfaces, by what a caller can observe.
//!
//! # How it works
//! Operations are matched by what callers call: method and path without the names of its parameters, or the format's own name. What goes in may only
//! accept more, what comes out may only promise more ([`walk::Way`]). Types are compared in **pairs**: two types that meet somewhere are compared once for each
//! way, whoever leads there, by the digests of what they mean. So a cause is one finding with all the operations that it reaches, a type that moved, was
//! renamed or written out where it is used is no change, and cycles end.
//!
//! A type is first taken apart ([`side`]): `allOf`, references, unions and null become **alternatives**, each of one kind. Alternatives of both sides are
//! matched by what they mean, by name, by kind, by likeness; what some alternative of the other side surely takes in ([`covers`]) is no change.
//!
//! What a format alone knows is in tables of its own: [`tables`], [`graphql`], [`protobuf`]. Nothing here depends on the order of a document.

mod covers;
mod flat;
mod found;
mod graphql;
mod operations;
mod pair;
mod protobuf;
mod records;
mod residuals;
mod scalars;
mod security;
mod side;
mod tables;
mod unreached;
mod walk;

use shared::surface::{Format, Surface};

use crate::finding::{Comparison, Severity, Verdict};
use crate::rules;

/// How strictly Protocol Buffers are compared: each level includes those before it. Other formats have no levels.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize, serde::Serialize, utoipa::ToSchema,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Level {
    /// The binary encoding.
    Wire,
    /// The JSON encoding, too.
    WireJson,
    /// Generated code, by package.
    Package,
    /// Generated code, by file.
    #[default]
    File,
}

/// What a comparison goes by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// How strictly Protocol Buffers are compared.
    pub level: Level,
}

/// Compares two surfaces of one format.
#[must_use]
pub fn compare(before: &Surface, after: &Surface, settings: Settings) -> Comparison {
    if before.digest == after.digest {
        return Comparison { verdict: Verdict::Identical, findings: Vec::new(), not_compared: Vec::new() };
    }
    let mut findings = if before.format == Format::Protobuf {
        let mut findings = found::Findings::new(before, after);
        protobuf::compare(before, after, settings.level, &mut findings);
        findings
    } else {
        algebra(before, after)
    };
    if findings.is_empty() {
        findings.add(found::Found {
            rule: &rules::DETAIL_CHANGED,
            severity: Severity::Compatible,
            summary: "The documents differ in something that callers do not depend on.".to_owned(),
            subject: String::new(),
            operations: std::collections::BTreeSet::new(),
            before: None,
            after: None,
        });
    }
    findings.finish()
}

/// The comparison by variance, with the tables of the formats beside it.
fn algebra<'s>(before: &'s Surface, after: &'s Surface) -> found::Findings<'s> {
    let mut walk = walk::Walk::new(before, after);
    operations::compare(&mut walk);
    walk.run();
    if before.format == Format::GraphQl {
        graphql::types(&mut walk);
    } else {
        unreached::types(&mut walk);
    }
    walk.run();
    // Nobody who calls can see a type that no operation reaches, where there are operations; where callers name types, they can.
    let is_seen = before.format == Format::GraphQl || before.operations.is_empty();
    walk.finish(if is_seen { Severity::Breaking } else { Severity::Compatible })
}
