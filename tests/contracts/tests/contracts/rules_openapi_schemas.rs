//! A pair of schemas for each rule of oasdiff that is about schemas, at each place where a schema can stand.
//!
//! oasdiff has a rule for the body, the property and the parameter of a request, and for the body, the property and the header of an answer. What narrows a
//! schema breaks who sends (a value that fitted is refused) and nobody who reads; what widens it breaks who reads (a value that was not promised comes).

use contracts::finding::Verdict::{self, Breaking, Compatible, Dangerous};
use serde_json::{Value, json};

use super::rules::{Row, check, document};

/// Where a schema stands: in what is sent, or in what is answered.
const SENT: [&str; 4] = ["body", "property", "item", "parameter"];
const ANSWERED: [&str; 4] = ["body", "property", "item", "header"];

/// A document with a schema at a place.
fn at(place: &str, is_sent: bool, version: &str, schema: &Value) -> String {
    let whole = match place {
        "property" => json!({"type": "object", "properties": {"p": schema}}),
        "item" => json!({"type": "array", "items": schema}),
        _ => schema.clone(),
    };
    let content = json!({"application/json": {"schema": whole}});
    let mut operation = json!({"operationId": "call", "responses": {"200": {"description": "ok"}}});
    match (place, is_sent) {
        ("parameter", _) => {
            operation["parameters"] = json!([{"name": "p", "in": "query", "required": true, "schema": schema}]);
        }
        ("header", _) => operation["responses"]["200"]["headers"] = json!({"P": {"schema": schema}}),
        (_, true) => operation["requestBody"] = json!({"required": true, "content": content}),
        (_, false) => operation["responses"]["200"]["content"] = content,
    }
    document(version, &json!({"/calls": {"post": operation}}), &json!({})).to_string()
}

/// One change of a schema at each place, with what it does to who sends and to who reads.
fn places(rule: &str, version: &str, (before, after): (&Value, &Value), verdicts: (Verdict, Verdict)) -> Vec<Row> {
    let sides = [(true, SENT, verdicts.0), (false, ANSWERED, verdicts.1)];
    let all = sides.into_iter().flat_map(|(is_sent, places, verdict)| places.map(|place| (is_sent, place, verdict)));
    all.map(|(is_sent, place, verdict)| Row {
        rule: format!("{} {place}: {rule} ({before} -> {after})", if is_sent { "request" } else { "response" }),
        before: at(place, is_sent, version, before),
        after: at(place, is_sent, version, after),
        verdict,
    })
    .collect()
}

/// What is narrower after, and the other way around.
fn narrows(version: &str, changes: &[(&str, Value, Value)]) {
    let both = changes.iter().flat_map(|(rule, wide, narrow)| {
        let forth = places(rule, version, (wide, narrow), (Breaking, Compatible));
        forth.into_iter().chain(places(rule, version, (narrow, wide), (Compatible, Breaking)))
    });
    check(&both.collect::<Vec<Row>>());
}

#[test]
fn limits() {
    let string = json!({"type": "string"});
    let integer = json!({"type": "integer"});
    let list = json!({"type": "array", "items": {"type": "string"}});
    let object = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    let and = |schema: &Value, key: &str, value: Value| {
        let mut schema = schema.clone();
        schema[key] = value;
        schema
    };
    let mut changes = Vec::new();
    for (rule, base, key, wide, narrow) in [
        ("max-length", &string, "maxLength", 9, 5),
        ("min-length", &string, "minLength", 2, 3),
        ("max", &integer, "maximum", 9, 5),
        ("min", &integer, "minimum", 2, 3),
        ("exclusive-max", &integer, "exclusiveMaximum", 9, 5),
        ("exclusive-min", &integer, "exclusiveMinimum", 2, 3),
        ("multiple-of", &integer, "multipleOf", 5, 10),
        ("max-items", &list, "maxItems", 9, 5),
        ("min-items", &list, "minItems", 2, 3),
        ("max-properties", &object, "maxProperties", 9, 5),
        ("min-properties", &object, "minProperties", 2, 3),
    ] {
        changes.push((rule, base.clone(), and(base, key, json!(narrow))));
        changes.push((rule, and(base, key, json!(wide)), and(base, key, json!(narrow))));
    }
    changes.push(("unique-items", list.clone(), and(&list, "uniqueItems", json!(true))));
    changes.push(("pattern-added", string.clone(), and(&string, "pattern", json!("^a+$"))));
    changes.push(("max", and(&integer, "maximum", json!(5)), and(&integer, "exclusiveMaximum", json!(5))));
    changes.push(("property-names", object.clone(), and(&object, "propertyNames", json!({"maxLength": 3}))));
    let some = json!({"type": "array", "contains": {"type": "string"}});
    changes.push(("contains", json!({"type": "array"}), some.clone()));
    changes.push(("min-contains", some.clone(), and(&some, "minContains", json!(2))));
    changes.push(("min-contains", and(&some, "minContains", json!(2)), and(&some, "minContains", json!(3))));
    changes.push(("max-contains", some.clone(), and(&some, "maxContains", json!(2))));
    changes.push(("max-contains", and(&some, "maxContains", json!(3)), and(&some, "maxContains", json!(2))));
    narrows("3.1.0", &changes);
    let between = |exclusive: bool| json!({"type": "integer", "minimum": 1, "exclusiveMinimum": exclusive});
    narrows("3.0.3", &[("exclusive-min", between(false), between(true))]);
}

#[test]
fn types() {
    let ty = |name: &str| json!({"type": name});
    let of = |name: &str, format: &str| json!({"type": name, "format": format});
    narrows(
        "3.1.0",
        &[
            ("type-changed: format", ty("string"), of("string", "date")),
            ("type-changed: format", of("integer", "int64"), of("integer", "int32")),
            ("type-changed: format", of("number", "double"), of("number", "float")),
            ("list-of-types", json!({"type": ["boolean", "object"]}), ty("object")),
            (
                "list-of-types",
                json!({"type": ["boolean", "integer", "array"]}),
                json!({"type": ["boolean", "integer"]}),
            ),
            ("became-not-nullable", json!({"type": ["object", "null"]}), ty("object")),
            ("became-not-nullable", json!({"anyOf": [{"type": "object"}, {"type": "null"}]}), ty("object")),
            ("became-not-nullable", json!({"oneOf": [ty("integer"), {"type": "null"}]}), ty("integer")),
            (
                "became-not-nullable",
                json!({"anyOf": [of("integer", "int32"), {"type": "null"}]}),
                of("integer", "int32"),
            ),
            ("media-type-schema-added", json!({}), ty("object")),
            ("type-changed", json!({}), ty("integer")),
        ],
    );
    for version in ["3.0.3", "3.1.0"] {
        narrows(version, &[("type-generalized", ty("number"), ty("integer"))]);
    }
    let nullable = |schema: Value| {
        let mut schema = schema;
        schema["nullable"] = json!(true);
        schema
    };
    narrows(
        "3.0.3",
        &[
            ("became-not-nullable", nullable(ty("object")), ty("object")),
            ("became-not-nullable", nullable(ty("integer")), ty("integer")),
        ],
    );
    let mut rows = Vec::new();
    for (from, to) in [("object", "array"), ("integer", "boolean"), ("object", "boolean"), ("array", "object")] {
        rows.extend(places("type-changed", "3.1.0", (&ty(from), &ty(to)), (Breaking, Breaking)));
    }
    rows.extend(places("type-changed", "3.0.3", (&of("string", "date"), &of("string", "uuid")), (Breaking, Breaking)));
    rows.extend(places(
        "content-encoding",
        "3.1.0",
        (&ty("string"), &json!({"type": "string", "contentEncoding": "base64"})),
        (Breaking, Breaking),
    ));
    let media = |name: &str| json!({"type": "string", "contentMediaType": name});
    rows.extend(places(
        "content-media-type",
        "3.1.0",
        (&media("image/png"), &media("image/gif")),
        (Breaking, Breaking),
    ));
    rows.extend(places("content-media-type", "3.1.0", (&media("image/png"), &ty("string")), (Breaking, Breaking)));
    check(&rows);
}

#[test]
fn listed_values() {
    let of = |values: &[&str]| json!({"type": "string", "enum": values});
    let (two, one, any) = (of(&["a", "b"]), of(&["a"]), json!({"type": "string"}));
    let mut rows = places("enum-value-removed", "3.1.0", (&two, &one), (Breaking, Compatible));
    // Some callers have a branch for the unknown: oasdiff warns, too.
    rows.extend(places("enum-value-added", "3.1.0", (&one, &two), (Compatible, Dangerous)));
    rows.extend(places("became-enum", "3.1.0", (&any, &one), (Breaking, Compatible)));
    rows.extend(places("became-not-enum", "3.1.0", (&two, &any), (Compatible, Dangerous)));
    rows.extend(places("const-added", "3.1.0", (&any, &json!({"const": "a"})), (Breaking, Compatible)));
    // As with any list that goes, some callers only take what they know.
    rows.extend(places("const-removed", "3.1.0", (&json!({"const": "a"}), &any), (Compatible, Breaking)));
    rows.extend(places(
        "const-changed",
        "3.1.0",
        (&json!({"const": "a"}), &json!({"const": "b"})),
        (Breaking, Breaking),
    ));
    rows.extend(places("enum-value-removed, all", "3.1.0", (&two, &of(&[])), (Breaking, Compatible)));
    let open = |values: &[&str]| json!({"type": "string", "x-extensible-enum": values});
    rows.extend(places(
        "x-extensible-enum-value-removed",
        "3.0.3",
        (&open(&["a", "b"]), &open(&["a"])),
        (Breaking, Compatible),
    ));
    rows.extend(places(
        "x-extensible-enum-value-added",
        "3.0.3",
        (&open(&["a"]), &open(&["a", "b"])),
        (Compatible, Compatible),
    ));
    check(&rows);
}

#[test]
fn patterns() {
    let of = |pattern: &str| json!({"type": "string", "pattern": pattern});
    // Which strings fit both, nobody knows: oasdiff warns, too.
    let mut rows = places("pattern-changed", "3.1.0", (&of("^a+$"), &of("^b+$")), (Dangerous, Dangerous));
    rows.extend(places("pattern-generalized", "3.1.0", (&of("^a+$"), &of(".*")), (Compatible, Breaking)));
    rows.extend(places("pattern-generalized", "3.1.0", (&of("^a+$"), &of("^.*$")), (Compatible, Breaking)));
    rows.extend(places("pattern-added", "3.1.0", (&json!({"type": "string"}), &of("^.*$")), (Compatible, Compatible)));
    check(&rows);
}

#[test]
fn conditions() {
    let base = || json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}});
    let and = |more: Value| {
        let mut schema = base();
        schema.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        schema
    };
    let one_if = json!({"required": ["a"]});
    narrows(
        "3.1.0",
        &[
            ("if-added", base(), and(json!({"if": one_if, "then": {"required": ["b"]}}))),
            ("if-added", base(), and(json!({"if": one_if, "else": {"required": ["b"]}}))),
            (
                "then-added",
                and(json!({"if": one_if, "else": {"required": ["b"]}})),
                and(json!({"if": one_if, "else": {"required": ["b"]}, "then": {"maxProperties": 1}})),
            ),
            (
                "else-added",
                and(json!({"if": one_if, "then": {"required": ["b"]}})),
                and(json!({"if": one_if, "then": {"required": ["b"]}, "else": {"maxProperties": 1}})),
            ),
            ("dependent-required-added", base(), and(json!({"dependentRequired": {"a": ["b"]}}))),
            ("dependent-schema-added", base(), and(json!({"dependentSchemas": {"a": {"required": ["b"]}}}))),
            ("pattern-property-added", base(), and(json!({"patternProperties": {"^x": {"type": "integer"}}}))),
            ("unevaluated-properties-added", base(), and(json!({"unevaluatedProperties": false}))),
            ("unevaluated-items-added", json!({"type": "array"}), json!({"type": "array", "unevaluatedItems": false})),
            ("not", base(), and(json!({"not": {"required": ["a", "b"]}}))),
            (
                "content-schema-added",
                json!({"type": "string", "contentMediaType": "application/json"}),
                json!({"type": "string", "contentMediaType": "application/json", "contentSchema": {"type": "object"}}),
            ),
            ("additional-properties", base(), and(json!({"additionalProperties": {"type": "integer"}}))),
            (
                "additional-properties",
                json!({"type": "object", "additionalProperties": {"type": "number"}}),
                json!({"type": "object", "additionalProperties": {"type": "integer"}}),
            ),
        ],
    );
    // Fields that are not listed were never promised: who reads goes by those that are. oasdiff has no rule.
    let closed = and(json!({"additionalProperties": false}));
    let mut rows = places("additional-properties", "3.1.0", (&base(), &closed), (Breaking, Compatible));
    rows.extend(places("additional-properties", "3.1.0", (&closed, &base()), (Compatible, Dangerous)));
    check(&rows);
}

#[test]
fn compositions() {
    let pet = |name: &str| json!({"type": "object", "required": [name], "properties": {name: {"type": "string"}}});
    let (cat, dog, bird) = (pet("cat"), pet("dog"), pet("bird"));
    let mut changes = Vec::new();
    for key in ["oneOf", "anyOf"] {
        let of = |parts: &[&Value]| json!({key: parts});
        changes.push((key, of(&[&cat, &dog, &bird]), of(&[&cat, &dog])));
        changes.push((key, of(&[&cat, &json!({"type": "array"})]), of(&[&cat])));
        changes.push((
            key,
            json!({key: [{"type": "integer"}, {"type": "boolean"}]}),
            json!({key: [{"type": "integer"}]}),
        ));
    }
    changes.push(("all-of", cat.clone(), json!({"allOf": [cat, {"minProperties": 3}]})));
    changes.push(("wrapped-in-any-of", json!({"anyOf": [cat, dog]}), cat.clone()));
    let tuple = |parts: Value| json!({"type": "array", "prefixItems": parts});
    changes.push((
        "prefix-items",
        tuple(json!([{"type": "string"}])),
        tuple(json!([{"type": "string"}, {"type": "integer"}])),
    ));
    let list = |items: Value| json!({"type": "array", "items": items});
    changes.push(("items-became-false", list(json!({"type": "string"})), list(json!(false))));
    narrows("3.1.0", &changes);
    let pair = |one: &str, other: &str| tuple(json!([{"type": one}, {"type": other}]));
    let swapped = (&pair("string", "integer"), &pair("integer", "string"));
    check(&places("prefix-items reordered", "3.1.0", swapped, (Breaking, Breaking)));
    let mut listed = list(json!({"type": "string"}));
    listed["prefixItems"] = json!([{"type": "string"}]);
    let same = (&list(json!({"type": "string"})), &listed);
    check(&places("prefix-items as all items", "3.1.0", same, (Compatible, Compatible)));
    let (both, all) = (json!({"allOf": [cat, dog]}), json!({"allOf": [cat, dog, bird]}));
    let mut rows = places("all-of-added", "3.1.0", (&both, &all), (Breaking, Compatible));
    // Who sends a field that is gone is not heard any more.
    rows.extend(places("all-of-removed", "3.1.0", (&all, &both), (Dangerous, Breaking)));
    // Who sends what fits both is refused.
    let either = json!({"oneOf": [cat, dog]});
    rows.extend(places("wrapped-in-one-of", "3.1.0", (&cat, &either), (Dangerous, Breaking)));
    check(&rows);
    let words = json!({"allOf": [cat, {"description": "more words"}]});
    let mut rows = places("all-of-added-annotation-only", "3.1.0", (&cat, &words), (Compatible, Compatible));
    for row in &mut rows {
        row.verdict = if row.before == row.after { Verdict::Identical } else { row.verdict };
    }
    let same = |row: &Row| super::rules::compared(&row.before, &row.after).verdict <= Compatible;
    assert!(rows.iter().all(same), "words beside a schema are no change");
}
