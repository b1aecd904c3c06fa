//! A pair of documents for each rule of oasdiff that is about operations, parameters, security and lifecycles.

use contracts::finding::Verdict::{Breaking, Compatible, Dangerous, Identical};
use serde_json::{Value, json};

use super::rules::{answered, body, both, check, compared, document, row, with};

fn query(more: &Value) -> Value {
    let mut parameter = json!({"name": "q", "in": "query", "schema": {"type": "string"}});
    parameter.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"parameters": [parameter]})
}

#[test]
fn operations() {
    let ok = json!({"responses": {"200": {"description": "ok"}}});
    let paths = |paths: &Value| document("3.1.0", paths, &json!({}));
    let (one, two) = (paths(&json!({"/a": {"get": ok}})), paths(&json!({"/a": {"get": ok, "post": ok}})));
    let other = paths(&json!({"/a": {"get": ok}, "/b": {"get": ok}}));
    let named = |name: &str| {
        paths(
            &json!({format!("/a/{{{name}}}"): {"get": {"parameters": [{"name": name, "in": "path", "required": true, "schema": {"type": "string"}}], "responses": {}}}}),
        )
    };
    let item = |parameters: Value| paths(&json!({"/a/{id}": {"get": {"parameters": parameters, "responses": {}}}}));
    let id = json!([{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}]);
    check(&[
        row("new-request-path-parameter", &item(json!([])), &item(id), Breaking),
        row("endpoint-added", &one, &two, Compatible),
        row("endpoint-added", &one, &other, Compatible),
        row("api-removed-without-deprecation", &two, &one, Breaking),
        row("api-path-removed-without-deprecation", &other, &one, Breaking),
        // The path's own name for a value is not seen.
        row("path parameter renamed", &named("id"), &named("petId"), Compatible),
    ]);
    let mut rows = Vec::new();
    both(
        &mut rows,
        "api-operation-id-removed",
        &json!({"operationId": "a"}),
        &json!({"operationId": "b"}),
        (Compatible, Compatible),
    );
    both(&mut rows, "api-tag-added", &json!({}), &json!({"tags": ["a"]}), (Compatible, Compatible));
    both(
        &mut rows,
        "endpoint-deprecated, endpoint-reactivated",
        &json!({}),
        &json!({"deprecated": true}),
        (Compatible, Compatible),
    );
    both(&mut rows, "summary", &json!({}), &json!({"summary": "more", "description": "words"}), (Identical, Identical));
    both(
        &mut rows,
        "servers",
        &json!({}),
        &json!({"servers": [{"url": "https://other.example"}]}),
        (Compatible, Compatible),
    );
    check(&rows);
}

#[test]
fn webhooks_and_callbacks() {
    let hook = |schema: Value| json!({"post": {"requestBody": {"content": {"application/json": {"schema": schema}}}, "responses": {"200": {"description": "ok"}}}});
    let hooks = |hooks: Value| json!({"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {}, "webhooks": hooks});
    let object = |fields: &[&str], required: &[&str]| {
        let fields: serde_json::Map<String, Value> =
            fields.iter().map(|name| ((*name).to_owned(), json!({"type": "string"}))).collect();
        json!({"type": "object", "properties": fields, "required": required})
    };
    let (two, one) = (object(&["a", "b"], &["a", "b"]), object(&["a"], &["a"]));
    check(&[
        row("webhook-added", &hooks(json!({})), &hooks(json!({"new": hook(one.clone())})), Compatible),
        row("webhook-removed", &hooks(json!({"new": hook(one.clone())})), &hooks(json!({})), Breaking),
        // What a webhook sends, the subscriber reads: a field that is gone breaks it, and a new one does not.
        row(
            "webhook body",
            &hooks(json!({"new": hook(two.clone())})),
            &hooks(json!({"new": hook(one.clone())})),
            Breaking,
        ),
        row(
            "webhook body",
            &hooks(json!({"new": hook(one.clone())})),
            &hooks(json!({"new": hook(two.clone())})),
            Compatible,
        ),
    ]);
    let calls = |callbacks: Value| json!({"callbacks": callbacks});
    let mut rows = Vec::new();
    let called = calls(json!({"done": {"{$request.body#/url}": hook(one)}}));
    both(&mut rows, "callback", &json!({}), &called, (Compatible, Breaking));
    both(
        &mut rows,
        "callback body",
        &calls(json!({"done": {"{$request.body#/url}": hook(two)}})),
        &called,
        (Breaking, Compatible),
    );
    check(&rows);
}

#[test]
fn parameters() {
    let none = json!({});
    let mut rows = Vec::new();
    for place in ["query", "header", "cookie"] {
        let place = json!({"in": place});
        // Who sends what is gone is not heard: oasdiff warns, too.
        both(
            &mut rows,
            "new-optional-request-parameter, request-parameter-removed",
            &none,
            &query(&place),
            (Compatible, Dangerous),
        );
        let must = json!({"in": place["in"], "required": true});
        both(&mut rows, "new-required-request-parameter", &none, &query(&must), (Breaking, Dangerous));
        both(&mut rows, "request-parameter-became-required", &query(&place), &query(&must), (Breaking, Compatible));
    }
    let of = |schema: Value| query(&json!({"schema": schema}));
    // Who leaves it out is served otherwise.
    both(
        &mut rows,
        "request-parameter-default-value-added",
        &of(json!({"type": "string"})),
        &of(json!({"type": "string", "default": "a"})),
        (Dangerous, Dangerous),
    );
    both(
        &mut rows,
        "request-parameter-default-value-changed",
        &of(json!({"type": "string", "default": "b"})),
        &of(json!({"type": "string", "default": "a"})),
        (Dangerous, Dangerous),
    );
    both(
        &mut rows,
        "request-parameter-deprecated",
        &query(&json!({})),
        &query(&json!({"deprecated": true})),
        (Compatible, Compatible),
    );
    // In a text everything is a string.
    both(
        &mut rows,
        "request-parameter-type-generalized",
        &of(json!({"type": "integer"})),
        &of(json!({"type": "string"})),
        (Compatible, Breaking),
    );
    both(
        &mut rows,
        "request-parameter-type-generalized",
        &of(json!({"type": "number"})),
        &of(json!({"type": "string"})),
        (Compatible, Breaking),
    );
    both(
        &mut rows,
        "request-parameter-type-changed",
        &of(json!({"type": "integer"})),
        &of(json!({"type": "boolean"})),
        (Breaking, Breaking),
    );
    let list = json!({"type": "array", "items": {"type": "string"}});
    let styled = |more: Value| {
        let mut all = json!({"schema": list});
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        query(&all)
    };
    both(
        &mut rows,
        "request-parameter-style-changed",
        &styled(json!({})),
        &styled(json!({"style": "pipeDelimited"})),
        (Breaking, Breaking),
    );
    both(
        &mut rows,
        "request-parameter-explode-changed",
        &styled(json!({})),
        &styled(json!({"explode": false})),
        (Breaking, Breaking),
    );
    both(
        &mut rows,
        "style written out",
        &styled(json!({})),
        &styled(json!({"style": "form", "explode": true})),
        (Identical, Identical),
    );
    both(
        &mut rows,
        "explode of one value",
        &query(&json!({})),
        &query(&json!({"explode": false})),
        (Compatible, Compatible),
    );
    both(
        &mut rows,
        "became-allow-reserved",
        &query(&json!({})),
        &query(&json!({"allowReserved": true})),
        (Compatible, Breaking),
    );
    let filter = |required: &[&str]| {
        of(json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": required}))
    };
    both(&mut rows, "request-header-property-became-required", &filter(&[]), &filter(&["a"]), (Breaking, Compatible));
    check(&rows);
    let at_path = |own: Value, shared: Value| {
        document(
            "3.1.0",
            &json!({"/a": {"parameters": shared, "get": {"parameters": own, "responses": {}}}}),
            &json!({}),
        )
    };
    let q = json!([{"name": "q", "in": "query", "required": true, "schema": {"type": "string"}}]);
    check(&[
        row(
            "new-required-request-default-parameter-to-existing-path",
            &at_path(json!([]), json!([])),
            &at_path(json!([]), q.clone()),
            Breaking,
        ),
        row("moved to the path", &at_path(q.clone(), json!([])), &at_path(json!([]), q), Identical),
    ]);
}

#[test]
fn security() {
    let schemes = json!({
        "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
        "oauth": {"type": "oauth2", "flows": {"implicit": {"authorizationUrl": "https://a.example", "scopes": {"read": "r", "write": "w"}}}},
    });
    let secured = |own: Value, whole: Value, schemes: &Value| {
        let mut document = with(&if own.is_null() { json!({}) } else { json!({"security": own}) });
        document["components"]["securitySchemes"] = schemes.clone();
        if !whole.is_null() {
            document["security"] = whole;
        }
        document
    };
    let (key, oauth) = (json!({"key": []}), |scopes: &[&str]| json!({"oauth": scopes}));
    for is_own in [true, false] {
        let with = |list: Value| {
            if is_own { secured(list, Value::Null, &schemes) } else { secured(Value::Null, list, &schemes) }
        };
        let both = with(json!([key, oauth(&["read"])]));
        check(&[
            row("api-security-removed", &both, &with(json!([key])), Breaking),
            row("api-security-added", &with(json!([key])), &both, Compatible),
            row("security for the first time", &with(json!([])), &with(json!([key])), Breaking),
            row("anyone may call, too, no longer", &with(json!([key, {}])), &with(json!([key])), Breaking),
            row("anyone may call, too", &with(json!([key])), &with(json!([key, {}])), Compatible),
            row("anyone, said in words", &with(json!([{}])), &with(json!([])), Compatible),
            row("no security any more", &with(json!([key])), &with(json!([])), Compatible),
            row(
                "api-security-scope-added",
                &with(json!([oauth(&["read"])])),
                &with(json!([oauth(&["read", "write"])])),
                Breaking,
            ),
            row(
                "api-security-scope-removed",
                &with(json!([oauth(&["read", "write"])])),
                &with(json!([oauth(&["read"])])),
                Compatible,
            ),
        ]);
    }
    let change = |path: &str, value: Value| {
        let mut changed = schemes.clone();
        *changed.pointer_mut(path).unwrap() = value;
        secured(json!([key, oauth(&["read"])]), Value::Null, &changed)
    };
    let base = secured(json!([key, oauth(&["read"])]), Value::Null, &schemes);
    check(&[
        row(
            "api-security-component-oauth-url-changed",
            &base,
            &change("/oauth/flows/implicit/authorizationUrl", json!("https://b.example")),
            Compatible,
        ),
        row(
            "api-security-component-oauth-scope-added",
            &base,
            &change("/oauth/flows/implicit/scopes", json!({"read": "r", "write": "w", "all": "a"})),
            Compatible,
        ),
        row(
            "api-security-component-oauth-scope-removed",
            &base,
            &change("/oauth/flows/implicit/scopes", json!({"read": "r"})),
            Compatible,
        ),
        // oasdiff lists the component alone; who has a key has no password.
        row(
            "api-security-component-type-changed",
            &base,
            &change("/key", json!({"type": "http", "scheme": "basic"})),
            Breaking,
        ),
    ]);
}

#[test]
fn lifecycles() {
    let mut rows = Vec::new();
    let stable = |level: &str| json!({"x-stability-level": level});
    both(&mut rows, "api-stability-decreased", &stable("stable"), &stable("beta"), (Breaking, Compatible));
    both(&mut rows, "api-stability-decreased", &json!({}), &stable("draft"), (Breaking, Compatible));
    both(&mut rows, "api-invalid-stability-level", &stable("beta"), &stable("ga?"), (Breaking, Compatible));
    let until = |date: &str| json!({"deprecated": true, "x-sunset": date});
    // Who calls between the two dates finds nothing.
    both(
        &mut rows,
        "api-sunset-date-changed-too-small",
        &until("2030-06-01"),
        &until("2030-01-01"),
        (Breaking, Compatible),
    );
    both(&mut rows, "sunset-deleted", &until("2030-06-01"), &json!({"deprecated": true}), (Breaking, Compatible));
    both(&mut rows, "api-deprecated-sunset-parse", &json!({}), &until("soon"), (Breaking, Compatible));
    both(&mut rows, "endpoint-deprecated-with-sunset", &json!({}), &until("2030-01-01"), (Compatible, Compatible));
    let parameter = |date: &str| query(&json!({"deprecated": true, "x-sunset": date}));
    both(
        &mut rows,
        "request-parameter-sunset-date-changed-too-small",
        &parameter("2030-06-01"),
        &parameter("2030-01-01"),
        (Breaking, Compatible),
    );
    both(
        &mut rows,
        "request-parameter-sunset-deleted",
        &parameter("2030-06-01"),
        &query(&json!({"deprecated": true})),
        (Breaking, Compatible),
    );
    let field = |more: Value| {
        let mut field = json!({"type": "string"});
        field.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"type": "object", "properties": {"a": field}})
    };
    for place in [body, answered] {
        both(
            &mut rows,
            "property-stability-decreased",
            &place(&field(json!({}))),
            &place(&field(stable("alpha"))),
            (Breaking, Compatible),
        );
        both(
            &mut rows,
            "property-deprecated-sunset-parse",
            &place(&field(json!({}))),
            &place(&field(until("soon"))),
            (Breaking, Compatible),
        );
        both(
            &mut rows,
            "property-deprecated-with-sunset",
            &place(&field(json!({}))),
            &place(&field(until("2030-01-01"))),
            (Compatible, Compatible),
        );
    }
    check(&rows);
}

#[test]
fn components() {
    let schemas = |schemas: Value| {
        document("3.1.0", &json!({"/a": {"get": {"responses": {"200": {"description": "ok"}}}}}), &schemas)
    };
    let (none, one) = (schemas(json!({})), schemas(json!({"Pet": {"type": "object"}})));
    check(&[row("api-schema-removed", &one, &none, Compatible), row("schema added", &none, &one, Compatible)]);
    assert_eq!(compared(&one.to_string(), &one.to_string().replace("\"t\"", "\"other\"")).verdict, Identical);
}
