//! Where the verdict differs from a reference engine's on purpose: who breaks, as a counter-example that runs.

use catalog::upload::{self, Hint};
use contracts::compare::{Settings, compare};
use contracts::finding::Verdict;
use serde_json::{Value, json};

/// `openapi-real-031`: values of an enumeration that an answer carries in a list. The reference engine tells of the request alone; a caller who was
/// promised the listed values and checks for them is answered with another one.
#[test]
fn a_value_that_an_answer_did_not_have_before_is_not_expected_by_who_checks() {
    let item =
        |values: &[&str]| json!({"type": "object", "properties": {"context": {"type": "string", "enum": values}}});
    let list = |values: &[&str]| json!({"type": "array", "items": item(values)});
    let (before, after) = (list(&["production", "dev"]), list(&["production", "dev", "dev-server"]));
    let document = |schema: &Value| {
        let answer = json!({"200": {"description": "ok", "content": {"application/json": {"schema": schema}}}});
        let document = json!({"openapi": "3.0.3", "info": {"title": "t", "version": "1"},
            "paths": {"/env": {"get": {"operationId": "list", "responses": answer}}}});
        upload::read(document.to_string().as_bytes(), Hint::default()).unwrap().surface
    };
    let compared = compare(&document(&before), &document(&after), Settings::default());
    assert_eq!(compared.verdict, Verdict::Dangerous);
    assert_eq!(compared.findings[0].rule, "response-enum-value-added");
    let answered = json!([{"context": "dev-server"}]);
    assert!(jsonschema::is_valid(&after, &answered));
    assert!(!jsonschema::is_valid(&before, &answered), "the caller's check refuses it");
}
