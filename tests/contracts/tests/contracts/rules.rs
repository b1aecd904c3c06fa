//! Pairs of documents for each rule of the reference engines, as tables: what the engine says of a pair, what we say, and why where that differs.

use std::fmt::Write as _;

use catalog::upload::{self, Hint};
use contracts::compare::{Settings, compare};
use contracts::finding::{Comparison, Verdict};
use serde_json::{Value, json};

/// A pair.
pub(super) struct Row {
    /// The reference engine's rule, or rules, of which this is a pair.
    pub(super) rule: String,
    pub(super) before: String,
    pub(super) after: String,
    /// What we hold right.
    pub(super) verdict: Verdict,
}

pub(super) fn compared(before: &str, after: &str) -> Comparison {
    let surface = |text: &str| {
        upload::read(text.as_bytes(), Hint::default()).unwrap_or_else(|refused| panic!("{refused:?}: {text}")).surface
    };
    compare(&surface(before), &surface(after), Settings::default())
}

/// That each pair has its verdict. All that have not are told at once.
pub(super) fn check(rows: &[Row]) {
    let mut wrong = String::new();
    for row in rows {
        let found = compared(&row.before, &row.after);
        if found.verdict != row.verdict {
            let told: Vec<String> =
                found.findings.iter().map(|one| format!("{:?} {} {}", one.severity, one.rule, one.summary)).collect();
            let _ = writeln!(
                wrong,
                "{:?} instead of {:?}: {}\n    {}\n    {:?}",
                found.verdict,
                row.verdict,
                row.rule,
                told.join("\n    "),
                found.not_compared
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// An OpenAPI document with these paths and these components' schemas.
pub(super) fn document(version: &str, paths: &Value, schemas: &Value) -> Value {
    json!({"openapi": version, "info": {"title": "t", "version": "1"}, "paths": paths, "components": {"schemas": schemas}})
}

/// A document with one operation.
pub(super) fn with(operation: &Value) -> Value {
    let mut operation = operation.clone();
    for (key, usual) in [("operationId", json!("call")), ("responses", json!({"200": {"description": "ok"}}))] {
        if operation.get(key).is_none() {
            operation[key] = usual;
        }
    }
    document("3.1.0", &json!({"/calls": {"post": operation}}), &json!({}))
}

/// A pair of documents.
pub(super) fn row(rule: &str, before: &Value, after: &Value, verdict: Verdict) -> Row {
    Row { rule: rule.to_owned(), before: before.to_string(), after: after.to_string(), verdict }
}

/// An operation changed, with what that does, and what the way back does.
pub(super) fn both(rows: &mut Vec<Row>, rule: &str, before: &Value, after: &Value, verdicts: (Verdict, Verdict)) {
    let (before, after) = (with(before), with(after));
    rows.push(row(rule, &before, &after, verdicts.0));
    rows.push(row(&format!("{rule}, back"), &after, &before, verdicts.1));
}

/// An operation that takes a body.
pub(super) fn body(schema: &Value) -> Value {
    json!({"requestBody": {"required": true, "content": {"application/json": {"schema": schema}}}})
}

/// An operation that answers a body.
pub(super) fn answered(schema: &Value) -> Value {
    json!({"responses": {"200": {"description": "ok", "content": {"application/json": {"schema": schema}}}}})
}
