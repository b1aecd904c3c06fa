//! The findings of the reference engines for OpenAPI and GraphQL, one by one: whether ours cover them, and whether what we call breaking is told by them.

use contracts::compare::operation_keys;
use contracts::finding::{Finding, Severity};
use serde_json::Value;

use super::corpus::{Scored, corpus, json, pairs};

/// Where we differ on purpose: the pair, the kind of finding, and who breaks or does not.
const ON_PURPOSE: [(&str, &str, &str); 2] = [
    (
        "openapi-516",
        "response-optional-property-added",
        "A list became an object: who reads a list breaks by that, and has no use for its fields.",
    ),
    (
        "openapi-real-031",
        "new-optional-request-parameter",
        "The fields of a form of 2.0 are one body, which is new: who sends none goes on.",
    ),
];

/// Kinds that say nothing of callers: the version in the head, and verdicts of whole documents.
fn is_no_finding(kind: &str) -> bool {
    kind.starts_with("api-version-") || kind.starts_with("upstream-")
}

/// The endings of our rules that say what a kind of oasdiff says, by what the kind ends with. The first that fits counts.
const OPENAPI: [(&str, &[&str]); 38] = [
    ("endpoint-added", &["operation-added"]),
    ("webhook-added", &["operation-added"]),
    ("removed-without-deprecation", &["operation-removed"]),
    ("removed-with-deprecation", &["operation-removed", "parameter-removed"]),
    ("endpoint-deprecated", &["operation-deprecated"]),
    ("endpoint-deprecated-with-sunset", &["operation-deprecated"]),
    ("deprecated-with-sunset", &["-deprecated"]),
    ("deprecated", &["-deprecated"]),
    ("reactivated", &["-deprecated"]),
    ("new-optional-request-parameter", &["parameter-added"]),
    ("new-required-request-parameter", &["parameter-required-added"]),
    ("request-parameter-removed", &["parameter-removed"]),
    ("new-optional-request-property", &["field-added"]),
    ("new-required-request-property", &["field-required-added"]),
    ("optional-property-added", &["field-added"]),
    ("required-property-added", &["field-added"]),
    ("property-removed", &["field-removed"]),
    ("became-required", &["-became-required"]),
    ("became-optional", &["-became-optional"]),
    ("became-nullable", &["-became-nullable"]),
    ("became-not-nullable", &["-became-not-nullable"]),
    ("became-enum", &["-enum-added"]),
    ("enum-value-added", &["enum-value-added", "enum-value-listed"]),
    ("enum-value-removed", &["enum-value-removed"]),
    ("default-value-added", &["default-changed"]),
    ("default-value-removed", &["default-changed"]),
    ("default-value-changed", &["default-changed"]),
    ("pattern-changed", &["pattern-changed"]),
    ("pattern-added", &["constraint-tightened"]),
    ("discriminator-added", &["discriminator-added"]),
    ("annotation-only", &["detail-changed"]),
    (
        "prefix-items-removed",
        &["type-changed", "type-widened", "type-narrowed", "constraint-loosened", "constraint-tightened"],
    ),
    ("list-of-types-widened", &["type-widened", "became-nullable"]),
    ("list-of-types-narrowed", &["type-narrowed", "became-not-nullable"]),
    ("type-generalized", &["type-widened", "constraint-loosened"]),
    ("type-changed", &["type-changed", "format-changed", "type-narrowed", "type-widened", "constraint-tightened"]),
    ("-set", &["constraint-tightened", "unused-limit-changed"]),
    ("-unset", &["constraint-loosened"]),
];

/// The endings of our rules for a kind of oasdiff.
fn ours_openapi(kind: &str) -> &'static [&'static str] {
    if let Some((_, ours)) = OPENAPI.iter().find(|(ending, _)| kind.ends_with(ending)) {
        return ours;
    }
    // A limit from below that is less lets more through, and one from above that is more.
    match (kind.contains("-min-"), kind.ends_with("-increased"), kind.ends_with("-decreased")) {
        (true, true, _) | (false, _, true) => &["constraint-tightened", "unused-limit-changed"],
        (true, _, true) | (false, true, _) => &["constraint-loosened"],
        _ => panic!("no rule of ours for {kind}"),
    }
}

/// Our rules for a kind of graphql-inspector.
fn ours_graphql(kind: &str) -> &'static [&'static str] {
    match kind {
        "TYPE_ADDED" => &["type-added"],
        "TYPE_REMOVED" => &["type-removed"],
        "FIELD_REMOVED" => &["response-field-removed", "operation-removed"],
        "INPUT_FIELD_REMOVED" => &["request-field-forbidden", "request-field-removed"],
        "FIELD_ARGUMENT_REMOVED" => &["request-parameter-removed"],
        "FIELD_TYPE_CHANGED" => &["response-became-not-nullable", "response-became-nullable", "response-type-changed"],
        "UNION_MEMBER_REMOVED" => &["response-variant-removed"],
        "UNION_MEMBER_ADDED" => &["response-variant-added"],
        // What a new type has is told with the type.
        "ENUM_VALUE_ADDED" | "ENUM_VALUE_DESCRIPTION_CHANGED" => &["response-enum-value-added", "type-added"],
        "ENUM_VALUE_REMOVED" => &["response-enum-value-removed"],
        "FIELD_DEPRECATION_ADDED" => &["response-deprecated", "operation-deprecated"],
        // Where directives are applied, and why something is deprecated, callers do not see.
        kind if kind.starts_with("DIRECTIVE_USAGE") || kind.contains("DEPRECATION_REASON") => &[
            "directives-applied-changed",
            "response-deprecated",
            "operation-deprecated",
            "request-deprecated",
            "detail-changed",
        ],
        other => panic!("no rule of ours for {other}"),
    }
}

/// A path without the names of its parameters.
fn plain(location: &str) -> String {
    let mut parts = location.split('{');
    let head = parts.next().unwrap_or_default().to_owned();
    parts.fold(head, |path, part| path + "{}" + part.split_once('}').map_or("", |(_, rest)| rest))
}

/// Whether our finding is what the engine found: its rule, at its operation (OpenAPI) or about what it names (GraphQL).
fn is_covered(scored: &Scored, expected: &Value, found: &Finding) -> bool {
    let (kind, location) = (expected["kind"].as_str().unwrap(), expected["location"].as_str().unwrap());
    if scored.pair["format"] == "graphql" {
        // The last part of a path names what has changed: a field, an argument, a value; a type that is new or gone is told whole.
        let names: Vec<&str> = location.split('.').filter(|name| !name.starts_with('@')).collect();
        let is_named = names.last().is_none_or(|name| found.summary.contains(name))
            || names.first().is_some_and(|name| found.rule.starts_with("type-") && found.summary.contains(name));
        return ours_graphql(kind).contains(&found.rule) && (is_named || found.rule == "detail-changed");
    }
    let way = ["request", "response"].into_iter().find(|way| kind.starts_with(way));
    let is_way = way.is_none_or(|way| !found.rule.starts_with("re") || found.rule.starts_with(way));
    let ids = |surface| operation_keys(surface).filter(|(key, _)| *key == plain(location)).map(|(_, id)| id.to_owned());
    let reached = ids(&scored.before).chain(ids(&scored.after)).any(|id| found.operations.contains(&id));
    is_way
        && ours_openapi(kind).iter().any(|ending| found.rule.ends_with(ending))
        && (reached || found.operations.is_empty())
}

/// How many of how many, and those that are missing.
#[derive(Default)]
struct Score {
    hits: u32,
    all: u32,
    missed: Vec<String>,
}

impl Score {
    fn count(&mut self, is_hit: bool, missed: impl FnOnce() -> String) {
        self.all += 1;
        self.hits += u32::from(is_hit);
        if !is_hit {
            self.missed.push(missed());
        }
    }

    fn share(&self) -> f64 {
        f64::from(self.hits) / f64::from(self.all.max(1))
    }
}

#[test]
fn findings_are_those_of_the_reference_engines() {
    let Some(corpus) = corpus() else { return };
    let scoring = json(&corpus.join("scoring.json"));
    for (format, least) in [("openapi", [1.0, 0.95, 0.95]), ("graphql", [1.0, 0.95, 0.95])] {
        let [mut breaking, mut rest, mut precise] = [Score::default(), Score::default(), Score::default()];
        for scored in pairs(&corpus, &scoring, format) {
            let id = scored.pair["id"].as_str().unwrap();
            let found = &scored.compared.findings;
            let expected: Vec<&Value> = scored.pair["expected"].as_array().unwrap().iter().collect();
            let told: Vec<&Value> =
                expected.iter().copied().filter(|one| !is_no_finding(one["kind"].as_str().unwrap())).collect();
            for one in &told {
                let kind = one["kind"].as_str().unwrap();
                let is_on_purpose = ON_PURPOSE.iter().any(|(pair, other, _)| *pair == id && *other == kind);
                if is_on_purpose {
                    continue;
                }
                let is_hit = scored.compared.verdict == contracts::finding::Verdict::Identical
                    && one["severity"] != "breaking"
                    || found.iter().any(|own| is_covered(&scored, one, own));
                let score = if one["severity"] == "breaking" { &mut breaking } else { &mut rest };
                score.count(is_hit, || format!("{id}: {kind} at {}: {}", one["location"], one["text"]));
            }
            // A verdict of a whole document lists no findings.
            if told.len() < expected.len() && told.is_empty() {
                continue;
            }
            for own in found.iter().filter(|own| own.severity == Severity::Breaking) {
                let is_told = told.iter().any(|one| is_covered(&scored, one, own));
                precise.count(is_told, || format!("{id}: {} {}", own.rule, own.summary));
            }
        }
        for ((name, score), least) in
            [("breaking found", &breaking), ("others found", &rest), ("ours told", &precise)].into_iter().zip(least)
        {
            println!("{format}: {name}: {} of {}", score.hits, score.all);
            for missed in &score.missed {
                println!("    {missed}");
            }
            assert!(score.share() >= least, "{format}: {name}: {} of {}: {:#?}", score.hits, score.all, score.missed);
        }
    }
}
