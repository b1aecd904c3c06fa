//! What the engine says of changes of Doorway's own documents: each change is made to each document that it can be made to.

use contracts::finding::Severity::{self, Breaking, Compatible, Dangerous};
use serde_json::{Map, Value, json};

use super::{compared, guarded, root};

/// A change of a document; `false` where the document has nothing that it could be made to.
type Change = fn(&mut Value) -> bool;

/// The operations of a document's paths or webhooks, each by its pointer.
fn operations(document: &Value, section: &str) -> Vec<String> {
    let items = document[section].as_object().into_iter().flatten();
    let pointers = items.flat_map(|(path, item)| {
        let path = path.replace('~', "~0").replace('/', "~1");
        let methods = item
            .as_object()
            .unwrap()
            .keys()
            .filter(|key| ["get", "put", "post", "patch", "delete"].contains(&key.as_str()));
        methods.map(|method| format!("/{section}/{path}/{method}")).collect::<Vec<_>>()
    });
    pointers.collect()
}

/// Where a schema stands, after its references.
fn followed(document: &Value, mut pointer: String) -> String {
    while let Some(target) = document.pointer(&pointer).and_then(|schema| schema["$ref"].as_str()) {
        target.trim_start_matches('#').clone_into(&mut pointer);
    }
    pointer
}

fn object<'d>(document: &'d mut Value, pointer: &str) -> &'d mut Map<String, Value> {
    document.pointer_mut(pointer).unwrap().as_object_mut().unwrap()
}

/// The first object of fields that a body is, of those below these pointers.
fn first_fields(document: &Value, bodies: impl Iterator<Item = String>) -> Option<String> {
    let found = bodies.map(|body| followed(document, format!("{body}/content/application~1json/schema")));
    found.into_iter().find(|schema| document.pointer(schema).is_some_and(|schema| schema["required"].is_array()))
}

fn answer(document: &Value) -> Option<String> {
    let all = operations(document, "paths").into_iter();
    first_fields(document, all.flat_map(|one| ["200", "201"].map(|status| format!("{one}/responses/{status}"))))
}

fn request(document: &Value) -> Option<String> {
    first_fields(document, operations(document, "paths").into_iter().map(|one| format!("{one}/requestBody")))
}

/// The state of the first event.
fn event(document: &Value) -> Option<String> {
    let first = operations(document, "webhooks").into_iter().next()?;
    let data = format!("{first}/requestBody/content/application~1json/schema/properties/data/oneOf/1");
    Some(followed(document, data))
}

/// The envelope of the first event.
fn envelope(document: &Value) -> Option<String> {
    let first = operations(document, "webhooks").into_iter().next()?;
    Some(format!("{first}/requestBody/content/application~1json/schema"))
}

/// Adds a field, which must be there or may be.
fn add(document: &mut Value, schema: Option<String>, is_required: bool) -> bool {
    let Some(schema) = schema else { return false };
    object(document, &format!("{schema}/properties")).insert("brand_new".to_owned(), json!({"type": "string"}));
    if is_required {
        object(document, &schema)["required"].as_array_mut().unwrap().push(json!("brand_new"));
    }
    true
}

/// Takes the first field that is always there out, or only the promise that it is.
fn take(document: &mut Value, schema: Option<String>, is_kept: bool) -> bool {
    let Some(schema) = schema else { return false };
    let gone = object(document, &schema)["required"].as_array_mut().unwrap().remove(0);
    if !is_kept {
        object(document, &format!("{schema}/properties")).remove(gone.as_str().unwrap()).unwrap();
    }
    true
}

/// Makes the first field that is always there one of another type.
fn retype(document: &mut Value, schema: Option<String>) -> bool {
    let Some(schema) = schema else { return false };
    let name = document.pointer(&schema).unwrap()["required"][0].as_str().unwrap().to_owned();
    object(document, &format!("{schema}/properties")).insert(name, json!({"type": "boolean"}));
    true
}

fn add_parameter(document: &mut Value, is_required: bool) -> bool {
    let Some(first) = operations(document, "paths").into_iter().next() else { return false };
    let parameters = object(document, &first).entry("parameters").or_insert_with(|| json!([]));
    let new = json!({"name": "brand_new", "in": "query", "required": is_required, "schema": {"type": "string"}});
    parameters.as_array_mut().unwrap().push(new);
    true
}

fn add_operation(document: &mut Value, section: &str, name: &str) -> bool {
    let Some(items) = document[section].as_object_mut().filter(|items| !items.is_empty()) else { return false };
    let mut new = items.values().next().unwrap().clone();
    for operation in new.as_object_mut().unwrap().values_mut() {
        let id = format!("brand_new_{}", operation["operationId"].as_str().unwrap());
        operation["operationId"] = json!(id);
        // What the path's own parameters were has no place in the new path.
        let parameters = operation["parameters"].as_array_mut();
        if let Some(all) = parameters {
            all.retain(|one| one["in"] != "path");
        }
    }
    items.insert(name.to_owned(), new);
    true
}

fn remove_operation(document: &mut Value, section: &str) -> bool {
    let Some(first) = operations(document, section).into_iter().next() else { return false };
    let (item, method) = first.rsplit_once('/').unwrap();
    object(document, item).remove(method).is_some()
}

/// A new permission: callers whose tokens lack it are refused.
fn ask_for_more(document: &mut Value) -> bool {
    let all = operations(document, "paths");
    let Some(first) = all.iter().find(|one| document.pointer(one).unwrap()["security"][0]["token"].is_array()) else {
        return false;
    };
    document.pointer_mut(first).unwrap()["security"][0]["token"].as_array_mut().unwrap().push(json!("brand:new"));
    true
}

/// Another role, in whatever event says one.
fn add_role(document: &mut Value) -> bool {
    if document["webhooks"].is_null() {
        return false;
    }
    document["components"]["schemas"]["Role"]["enum"].as_array_mut().unwrap().push(json!("brand_new"));
    true
}

/// Changes, each with the rule that must tell it, how bad it is, and the documents that it must at least have been made to.
#[rustfmt::skip] // A table.
const CHANGES: [(&str, Change, &str, Severity, usize); 19] = [
    ("a new field of an answer", |it| add(it, answer(it), false), "response-field-added", Compatible, 8),
    ("a new field of an answer, always there", |it| add(it, answer(it), true), "response-field-added", Compatible, 8),
    ("a new field of a request, left out at will", |it| add(it, request(it), false), "request-field-added", Compatible, 6),
    ("a new parameter, left out at will", |it| add_parameter(it, false), "request-parameter-added", Compatible, 9),
    ("a new route", |it| add_operation(it, "paths", "/v1/brand-new"), "operation-added", Compatible, 9),
    ("a field of an answer is gone", |it| take(it, answer(it), false), "response-field-removed", Breaking, 8),
    ("a field of an answer may be missing", |it| take(it, answer(it), true), "response-field-became-optional", Breaking, 8),
    ("a field of an answer has another type", |it| retype(it, answer(it)), "response-type-changed", Breaking, 8),
    ("a new field of a request, to be sent", |it| add(it, request(it), true), "request-field-required-added", Breaking, 6),
    ("a field of a request has another type", |it| retype(it, request(it)), "request-type-changed", Breaking, 6),
    ("a new parameter, to be sent", |it| add_parameter(it, true), "request-parameter-required-added", Breaking, 9),
    ("a route is gone", |it| remove_operation(it, "paths"), "operation-removed", Breaking, 9),
    ("a route asks for more", ask_for_more, "security-tightened", Breaking, 8),
    ("a new field of an event", |it| add(it, event(it), false), "response-field-added", Compatible, 1),
    ("a new event", |it| add_operation(it, "webhooks", "brand.new"), "operation-added", Compatible, 1),
    ("another value in an event", add_role, "response-enum-value-added", Dangerous, 1),
    ("a field of an event is gone", |it| take(it, event(it), false), "response-field-removed", Breaking, 1),
    ("a field of the envelope is gone", |it| take(it, envelope(it), false), "response-field-removed", Breaking, 1),
    ("an event is gone", |it| remove_operation(it, "webhooks"), "operation-removed", Breaking, 1),
];

#[test]
fn changes_of_our_own_documents_are_told_as_what_they_are() {
    for (what, change, rule, severity, least) in CHANGES {
        let mut tried = 0;
        for guarded in guarded() {
            let path = guarded.current.display();
            let before = std::fs::read(root().join(&guarded.current)).unwrap();
            let mut after: Value = serde_json::from_slice(&before).unwrap();
            if !change(&mut after) {
                continue;
            }
            tried += 1;
            let told = compared(&before, after.to_string().as_bytes());
            assert!(told.not_compared.is_empty(), "{what}, {path}: {:?}", told.not_compared);
            assert!(
                told.findings.iter().any(|found| found.rule == rule && found.severity == severity),
                "{what}, {path}: {:#?}",
                told.findings
            );
            // The worst goes first.
            assert_eq!(told.findings[0].severity, severity, "{what}, {path}: {:#?}", told.findings);
        }
        assert!(tried >= least, "{what}: {tried} documents");
    }
}

#[test]
fn every_document_of_ours_is_read_without_a_warning_and_is_what_it_was() {
    for guarded in guarded() {
        let path = guarded.current.display();
        let text = std::fs::read(root().join(&guarded.current)).unwrap();
        let document = catalog::upload::read(&text, catalog::upload::Hint::default()).unwrap();
        assert!(document.warnings.is_empty(), "{path}: {:?}", document.warnings);
        // As it is, and with its keys in another order.
        let sorted: Value = serde_json::from_slice(&text).unwrap();
        for other in [text.clone(), sorted.to_string().into_bytes()] {
            assert_eq!(compared(&text, &other).verdict, contracts::finding::Verdict::Identical, "{path}");
        }
    }
}

#[test]
fn every_event_type_is_an_operation_that_the_provider_sends() {
    let text = std::fs::read(root().join("shared/events.json")).unwrap();
    let surface = catalog::upload::read(&text, catalog::upload::Hint::default()).unwrap().surface;
    let ids: Vec<&str> = surface.operations.iter().map(|operation| &*operation.id).collect();
    let mut types = shared::event::TYPES.to_vec();
    types.sort_unstable();
    assert_eq!(ids, types);
    assert!(surface.operations.iter().all(|operation| operation.kind.is_sent_by_provider()));
}
