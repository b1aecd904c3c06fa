//! A pair of documents for each rule of oasdiff that is about bodies, their fields, answers and headers.

use contracts::finding::Verdict::{Breaking, Compatible, Dangerous};
use serde_json::{Value, json};

use super::rules::{answered, body, both, check, row, with};

fn answer(response: &Value) -> Value {
    let mut all = json!({"description": "ok"});
    all.as_object_mut().unwrap().extend(response.as_object().unwrap().clone());
    json!({"responses": {"200": all}})
}

#[test]
fn bodies() {
    let object = json!({"type": "object"});
    let mut optional = body(&object);
    optional["requestBody"]["required"] = json!(false);
    let mut rows = Vec::new();
    both(
        &mut rows,
        "request-body-added-required, request-body-removed",
        &json!({}),
        &body(&object),
        (Breaking, Breaking),
    );
    both(&mut rows, "request-body-added-optional, request-body-removed", &json!({}), &optional, (Compatible, Breaking));
    both(&mut rows, "request-body-became-required", &optional, &body(&object), (Breaking, Compatible));
    let media = |types: &[&str]| {
        let content: serde_json::Map<String, Value> =
            types.iter().map(|name| ((*name).to_owned(), json!({"schema": {"type": "object"}}))).collect();
        json!({"requestBody": {"required": true, "content": content}})
    };
    both(
        &mut rows,
        "request-body-media-type-added",
        &media(&["application/json"]),
        &media(&["application/json", "application/xml"]),
        (Compatible, Breaking),
    );
    both(
        &mut rows,
        "request-body-media-type, a range",
        &media(&["application/json"]),
        &media(&["application/*"]),
        (Compatible, Breaking),
    );
    let items = |more: Value| json!({"requestBody": {"required": true, "content": {"application/jsonl": more}}});
    both(
        &mut rows,
        "request-body-media-type-item-schema-added",
        &items(json!({})),
        &items(json!({"itemSchema": {"type": "object"}})),
        (Breaking, Compatible),
    );
    for row in &mut rows {
        row.before = row.before.replace("3.1.0", "3.2.0");
        row.after = row.after.replace("3.1.0", "3.2.0");
    }
    check(&rows);
}

#[test]
fn fields_that_are_sent() {
    let object =
        |fields: Value, required: &[&str]| body(&json!({"type": "object", "properties": fields, "required": required}));
    let string = json!({"type": "string"});
    let none = object(json!({}), &[]);
    let one = |field: Value, required: &[&str]| object(json!({"a": field}), required);
    let and = |more: Value| {
        let mut field = string.clone();
        field.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        field
    };
    let mut rows = Vec::new();
    both(
        &mut rows,
        "new-optional-request-property, request-property-removed",
        &none,
        &one(string.clone(), &[]),
        (Compatible, Dangerous),
    );
    both(&mut rows, "new-required-request-property", &none, &one(string.clone(), &["a"]), (Breaking, Dangerous));
    both(
        &mut rows,
        "request-property-became-required",
        &one(string.clone(), &[]),
        &one(string.clone(), &["a"]),
        (Breaking, Compatible),
    );
    // Who leaves it out is refused, whatever would have stood for it.
    both(
        &mut rows,
        "new-required-request-property-with-default",
        &none,
        &one(and(json!({"default": "x"})), &["a"]),
        (Breaking, Dangerous),
    );
    both(
        &mut rows,
        "request-property-became-required-with-default",
        &one(and(json!({"default": "x"})), &[]),
        &one(and(json!({"default": "x"})), &["a"]),
        (Breaking, Compatible),
    );
    both(
        &mut rows,
        "request-property-default-value-added",
        &one(string.clone(), &[]),
        &one(and(json!({"default": "x"})), &[]),
        (Dangerous, Dangerous),
    );
    both(
        &mut rows,
        "request-property-default-value-changed",
        &one(and(json!({"default": "y"})), &[]),
        &one(and(json!({"default": "x"})), &[]),
        (Dangerous, Dangerous),
    );
    both(
        &mut rows,
        "request-property-deprecated",
        &one(string.clone(), &[]),
        &one(and(json!({"deprecated": true})), &[]),
        (Compatible, Compatible),
    );
    // What is only answered is not asked for.
    both(
        &mut rows,
        "read-only property added",
        &none,
        &one(and(json!({"readOnly": true})), &["a"]),
        (Compatible, Compatible),
    );
    both(
        &mut rows,
        "request-read-only-property-max-length-decreased",
        &one(and(json!({"readOnly": true})), &[]),
        &one(and(json!({"readOnly": true, "maxLength": 1})), &[]),
        (Compatible, Compatible),
    );
    both(
        &mut rows,
        "request-read-only-property-enum-value-removed",
        &one(and(json!({"readOnly": true, "enum": ["a", "b"]})), &[]),
        &one(and(json!({"readOnly": true, "enum": ["a"]})), &[]),
        (Compatible, Compatible),
    );
    both(
        &mut rows,
        "request-optional-property-became-write-only",
        &one(string.clone(), &[]),
        &one(and(json!({"writeOnly": true})), &[]),
        (Compatible, Compatible),
    );
    both(
        &mut rows,
        "request-optional-property-became-read-only",
        &one(string.clone(), &[]),
        &one(and(json!({"readOnly": true})), &[]),
        (Compatible, Compatible),
    );
    // oasdiff says that nobody notices; who did not send it is refused from now on.
    both(
        &mut rows,
        "request-required-property-became-not-read-only",
        &one(string.clone(), &["a"]),
        &one(and(json!({"readOnly": true})), &["a"]),
        (Compatible, Breaking),
    );
    check(&rows);
}

#[test]
fn answers() {
    let status = |list: &[&str]| {
        let all: serde_json::Map<String, Value> =
            list.iter().map(|name| ((*name).to_owned(), json!({"description": "d"}))).collect();
        json!({"responses": all})
    };
    let mut rows = Vec::new();
    both(
        &mut rows,
        "response-success-status-added",
        &status(&["200"]),
        &status(&["200", "201"]),
        (Compatible, Breaking),
    );
    both(
        &mut rows,
        "response-non-success-status-added",
        &status(&["200"]),
        &status(&["200", "404"]),
        (Compatible, Compatible),
    );
    both(&mut rows, "default", &status(&["200"]), &status(&["200", "default"]), (Compatible, Compatible));
    let media = |types: &[&str]| {
        let content: serde_json::Map<String, Value> =
            types.iter().map(|name| ((*name).to_owned(), json!({"schema": {"type": "object"}}))).collect();
        answer(&json!({"content": content}))
    };
    both(
        &mut rows,
        "response-media-type-added",
        &media(&["application/json"]),
        &media(&["application/json", "application/xml"]),
        (Compatible, Breaking),
    );
    both(&mut rows, "response body", &answer(&json!({})), &media(&["application/json"]), (Compatible, Breaking));
    let items = |more: Value| answer(&json!({"content": {"application/jsonl": more}}));
    both(
        &mut rows,
        "response-body-media-type-item-schema-removed",
        &items(json!({"itemSchema": {"type": "object"}})),
        &items(json!({})),
        (Breaking, Compatible),
    );
    let header = |more: Value| {
        let mut all = json!({"schema": {"type": "string"}});
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        answer(&json!({"headers": {"X-A": all}}))
    };
    both(
        &mut rows,
        "optional-response-header-removed, response-header-added",
        &header(json!({})),
        &answer(&json!({})),
        (Breaking, Compatible),
    );
    both(
        &mut rows,
        "required-response-header-removed",
        &header(json!({"required": true})),
        &answer(&json!({})),
        (Breaking, Compatible),
    );
    both(
        &mut rows,
        "response-header-became-optional",
        &header(json!({"required": true})),
        &header(json!({})),
        (Breaking, Compatible),
    );
    for row in &mut rows {
        row.before = row.before.replace("3.1.0", "3.2.0");
        row.after = row.after.replace("3.1.0", "3.2.0");
    }
    check(&rows);
}

#[test]
fn fields_that_are_answered() {
    let object = |fields: Value, required: &[&str]| {
        answered(&json!({"type": "object", "properties": fields, "required": required}))
    };
    let string = json!({"type": "string"});
    let and = |more: Value| {
        let mut field = string.clone();
        field.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        field
    };
    let none = object(json!({}), &[]);
    let one = |field: Value, required: &[&str]| object(json!({"a": field}), required);
    let mut rows = Vec::new();
    // Callers read what is listed, always there or not.
    both(
        &mut rows,
        "response-optional-property-removed, response-optional-property-added",
        &one(string.clone(), &[]),
        &none,
        (Breaking, Compatible),
    );
    both(
        &mut rows,
        "response-required-property-removed, response-required-property-added",
        &one(string.clone(), &["a"]),
        &none,
        (Breaking, Compatible),
    );
    both(
        &mut rows,
        "response-property-became-optional",
        &one(string.clone(), &["a"]),
        &one(string.clone(), &[]),
        (Breaking, Compatible),
    );
    let hidden = and(json!({"writeOnly": true}));
    both(
        &mut rows,
        "response-optional-write-only-property-removed",
        &one(hidden.clone(), &[]),
        &none,
        (Compatible, Compatible),
    );
    both(
        &mut rows,
        "response-required-write-only-property-removed",
        &one(hidden.clone(), &["a"]),
        &none,
        (Compatible, Compatible),
    );
    both(
        &mut rows,
        "response-write-only-property-became-optional",
        &one(hidden.clone(), &["a"]),
        &one(hidden.clone(), &[]),
        (Compatible, Compatible),
    );
    // oasdiff takes it for a note; who read it finds nothing. Back, there is a field more.
    both(
        &mut rows,
        "response-optional-property-became-write-only",
        &one(string.clone(), &[]),
        &one(hidden.clone(), &[]),
        (Breaking, Compatible),
    );
    // oasdiff warns of the way there; who reads finds a field more, as with any that is new.
    both(
        &mut rows,
        "response-required-property-became-not-write-only",
        &one(hidden.clone(), &["a"]),
        &one(string.clone(), &["a"]),
        (Compatible, Breaking),
    );
    both(
        &mut rows,
        "response-optional-property-became-read-only",
        &one(string.clone(), &[]),
        &one(and(json!({"readOnly": true})), &[]),
        (Compatible, Compatible),
    );
    both(
        &mut rows,
        "response-property-default-value-changed",
        &one(and(json!({"default": "x"})), &[]),
        &one(and(json!({"default": "y"})), &[]),
        (Compatible, Compatible),
    );
    both(
        &mut rows,
        "response-property-deprecated",
        &one(string.clone(), &[]),
        &one(and(json!({"deprecated": true})), &[]),
        (Compatible, Compatible),
    );
    check(&rows);
}

#[test]
fn discriminators() {
    let pet = |name: &str| json!({"type": "object", "required": ["kind"], "properties": {"kind": {"type": "string"}, name: {"type": "string"}}});
    let schemas = json!({"Cat": pet("cat"), "Dog": pet("dog")});
    let told = |discriminator: Value, sent: bool| {
        let mut schema = json!({"oneOf": [{"$ref": "#/components/schemas/Cat"}, {"$ref": "#/components/schemas/Dog"}]});
        if !discriminator.is_null() {
            schema["discriminator"] = discriminator;
        }
        let mut document = with(&if sent { body(&schema) } else { answered(&schema) });
        document["components"]["schemas"] = schemas.clone();
        document
    };
    let map = |cat: &str| json!({"propertyName": "kind", "mapping": {cat: "#/components/schemas/Cat", "dog": "#/components/schemas/Dog"}});
    for sent in [true, false] {
        let plain = told(Value::Null, sent);
        let (one, other) = (told(map("cat"), sent), told(map("kitten"), sent));
        check(&[
            row("discriminator-added", &plain, &one, Compatible),
            // oasdiff takes these for notes; who tells the types apart by it no longer can.
            row("discriminator-removed", &one, &plain, Dangerous),
            row("discriminator-mapping-deleted", &one, &other, Dangerous),
            row(
                "discriminator-property-name-changed",
                &one,
                &told(json!({"propertyName": "sort", "mapping": map("cat")["mapping"]}), sent),
                Dangerous,
            ),
        ]);
    }
}

#[test]
fn swagger() {
    let with = |parameters: Value, answer: Value| {
        let answer = json!({"200": {"description": "ok", "schema": answer}});
        let operation = json!({"consumes": ["application/json"], "produces": ["application/json"], "parameters": parameters, "responses": answer});
        json!({"swagger": "2.0", "info": {"title": "t", "version": "1"}, "paths": {"/calls": {"post": operation}}})
    };
    let sent = |parameters: Value| with(parameters, json!({"type": "string"}));
    let answered = |schema: Value| with(json!([]), schema);
    let form = |required: bool| json!({"name": "f", "in": "formData", "type": "string", "required": required});
    let list = |format: &str| json!([{"name": "q", "in": "query", "type": "array", "items": {"type": "string"}, "collectionFormat": format}]);
    let body = |schema: Value| json!([{"name": "body", "in": "body", "required": true, "schema": schema}]);
    let pet = |fields: &[&str]| {
        let all: serde_json::Map<String, Value> =
            fields.iter().map(|name| ((*name).to_owned(), json!({"type": "string"}))).collect();
        json!({"type": "object", "properties": all, "required": fields})
    };
    let query = |more: Value| {
        let mut parameter = json!({"name": "q", "in": "query", "type": "string"});
        parameter.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        sent(json!([parameter]))
    };
    check(&[
        row(
            "form: a field",
            &sent(json!([form(false)])),
            &sent(json!([form(false), {"name": "g", "in": "formData", "type": "string"}])),
            Compatible,
        ),
        row("form: required", &sent(json!([form(false)])), &sent(json!([form(true)])), Breaking),
        row(
            "form: a required field",
            &sent(json!([form(true)])),
            &sent(json!([form(true), {"name": "g", "in": "formData", "type": "string", "required": true}])),
            Breaking,
        ),
        row("collectionFormat", &sent(list("csv")), &sent(list("pipes")), Breaking),
        row("body: a required field", &sent(body(pet(&["a"]))), &sent(body(pet(&["a", "b"]))), Breaking),
        row("body: gone", &sent(body(pet(&["a"]))), &sent(json!([])), Breaking),
        row("answer: a field gone", &answered(pet(&["a", "b"])), &answered(pet(&["a"])), Breaking),
        row("answer: a field", &answered(pet(&["a"])), &answered(pet(&["a", "b"])), Compatible),
        row("query: enum", &query(json!({"enum": ["a", "b"]})), &query(json!({"enum": ["a"]})), Breaking),
        row("query: max-length-set", &query(json!({})), &query(json!({"maxLength": 3})), Breaking),
        row("query: x-nullable gone", &query(json!({"x-nullable": true})), &query(json!({})), Breaking),
    ]);
}

#[test]
fn forms_of_answers() {
    let at = |status: &str, media: &str, schema: Value| {
        with(&json!({"responses": {status: {"description": "d", "content": {media: {"schema": schema}}}}}))
    };
    let object = json!({"type": "object"});
    let json_at = |status: &str| at(status, "application/json", object.clone());
    let of = |media: &str| at("200", media, object.clone());
    let inside = |fields: &[&str]| {
        let all: serde_json::Map<String, Value> =
            fields.iter().map(|name| ((*name).to_owned(), json!({"type": "string"}))).collect();
        at(
            "200",
            "application/json",
            json!({"type": "object", "additionalProperties": {"type": "object", "properties": all}}),
        )
    };
    check(&[
        row("a range of statuses", &json_at("200"), &json_at("2XX"), Compatible),
        row("response-media-type-name-changed", &of("application/json"), &of("application/json; v=2"), Compatible),
        row("response-media-type-name-generalized", &of("application/problem+json"), &of("application/json"), Breaking),
        row(
            "schema of nothing",
            &at("200", "application/json", json!(true)),
            &at("200", "application/json", json!(false)),
            Compatible,
        ),
        row(
            "schema of anything",
            &at("200", "application/json", json!(false)),
            &at("200", "application/json", json!(true)),
            Breaking,
        ),
        row("response-optional-property-removed, in others", &inside(&["a", "b"]), &inside(&["a"]), Breaking),
        row("response-optional-property-added, in others", &inside(&["a"]), &inside(&["a", "b"]), Compatible),
    ]);
}
