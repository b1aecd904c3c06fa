//! The committed API documents.

use std::path::Path;

use serde_json::Value;
use utoipa::openapi::OpenApi;

/// `openapi.json` in a function's folder is its document as it is now, and every reference in it leads somewhere. With
/// `UPDATE_DOCUMENTS=1` in the environment it is written first.
#[track_caller]
pub fn document_is_current(document: &OpenApi, folder: &str) {
    let path = Path::new(folder).join("openapi.json");
    let current = document.to_pretty_json().unwrap() + "\n";
    if std::env::var_os("UPDATE_DOCUMENTS").is_some() {
        std::fs::write(&path, &current).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == current, "{} is stale: run the test with UPDATE_DOCUMENTS=1", path.display());
    let root: Value = serde_json::from_str(&current).unwrap();
    references_lead_somewhere(&root, &root);
}

fn references_lead_somewhere(value: &Value, root: &Value) {
    if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
        assert!(root.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
    match value {
        Value::Object(map) => map.values().for_each(|value| references_lead_somewhere(value, root)),
        Value::Array(list) => list.iter().for_each(|value| references_lead_somewhere(value, root)),
        _ => {}
    }
}
