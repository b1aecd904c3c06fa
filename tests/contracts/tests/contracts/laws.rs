//! Laws of the comparison over generated schemas. Whether a value fits is judged by the crate `jsonschema`, which is not ours.

use catalog::upload::{self, Hint};
use contracts::compare::{Settings, compare};
use contracts::finding::{Comparison, Verdict};
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRng};
use serde_json::{Map, Value, json};
use shared::surface::Surface;

/// A document with the schema in a request, or in an answer.
fn document(schema: &Value, in_answer: bool) -> Value {
    let content = json!({"application/json": {"schema": schema}});
    let mut operation = json!({"operationId": "put", "responses": {"200": {"description": "ok"}}});
    if in_answer {
        operation["responses"]["200"]["content"] = content;
    } else {
        operation["requestBody"] = json!({"required": true, "content": content});
    }
    json!({"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {"/p": {"put": operation}}})
}

fn read(text: &str) -> Surface {
    upload::read(text.as_bytes(), Hint::default()).unwrap_or_else(|refused| panic!("{refused:?} {text}")).surface
}

fn surface(schema: &Value, in_answer: bool) -> Surface {
    read(&document(schema, in_answer).to_string())
}

fn compared(before: &Value, after: &Value, in_answer: bool) -> Comparison {
    compare(&surface(before, in_answer), &surface(after, in_answer), Settings::default())
}

/// A schema without what the comparison judges by policy rather than by values (formats, patterns, defaults).
fn schema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!({"type": "string"})),
        Just(json!({"type": "integer"})),
        Just(json!({"type": "number"})),
        Just(json!({"type": "boolean"})),
        Just(json!({"type": ["string", "null"]})),
        Just(json!({"type": ["integer", "boolean"]})),
        (0_u8..4, 4_u8..9).prop_map(|(least, most)| json!({"type": "string", "minLength": least, "maxLength": most})),
        (0_u8..4, 4_u8..9).prop_map(|(least, most)| json!({"type": "integer", "minimum": least, "maximum": most})),
        prop::sample::subsequence(vec!["a", "b", "c", "d"], 1..4)
            .prop_map(|values| json!({"type": "string", "enum": values})),
        (1_u8..5).prop_map(|value| json!({"const": value})),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let fields = prop::collection::btree_map(prop::sample::select(vec!["x", "y", "z"]), inner.clone(), 0..3);
        prop_oneof![
            (fields, prop::sample::subsequence(vec!["x", "y", "z"], 0..3), any::<bool>()).prop_map(
                |(fields, required, closed)| {
                    let required: Vec<&str> = required.into_iter().filter(|name| fields.contains_key(*name)).collect();
                    let mut schema = json!({"type": "object", "properties": fields, "required": required});
                    if closed {
                        schema["additionalProperties"] = json!(false);
                    }
                    schema
                }
            ),
            (inner.clone(), prop::option::of(0_u8..2), prop::option::of(2_u8..4)).prop_map(|(items, least, most)| {
                let mut schema = json!({"type": "array", "items": items});
                if let Some(least) = least {
                    schema["minItems"] = json!(least);
                }
                if let Some(most) = most {
                    schema["maxItems"] = json!(most);
                }
                schema
            }),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| json!({"anyOf": parts})),
            (inner.clone(), inner).prop_map(|(one, other)| json!({"allOf": [one, other]})),
        ]
    })
}

/// A pair that differs in one place, or in all.
fn pair() -> impl Strategy<Value = (Value, Value)> {
    prop_oneof![
        1 => (schema(), schema()),
        4 => (schema(), schema(), any::<u64>()).prop_map(|(before, other, seed)| {
            let mut after = before.clone();
            replace(&mut after, &other, seed);
            (before, after)
        }),
    ]
}

/// Puts another schema, or another limit, somewhere into one.
fn replace(schema: &mut Value, other: &Value, seed: u64) {
    let below = seed / 7;
    let children: Vec<String> = ["items", "properties", "anyOf", "allOf"]
        .iter()
        .filter(|key| schema.get(**key).is_some())
        .map(ToString::to_string)
        .collect();
    if seed % 7 < 4
        && let Some(key) = children.get(usize::try_from(seed % 3).unwrap() % children.len().max(1))
    {
        let child = &mut schema[key.as_str()];
        match child {
            Value::Object(fields) if key == "properties" => {
                let count = u64::try_from(fields.len()).unwrap();
                if count > 0 {
                    let place = usize::try_from(below % count).unwrap();
                    return replace(fields.values_mut().nth(place).unwrap(), other, below);
                }
            }
            Value::Array(parts) => {
                let count = u64::try_from(parts.len()).unwrap();
                return replace(&mut parts[usize::try_from(below % count).unwrap()], other, below);
            }
            child => return replace(child, other, below),
        }
    }
    let bump = |value: &Value, by: i64| json!(value.as_i64().unwrap_or(3) + by);
    match seed % 5 {
        0 => *schema = other.clone(),
        1 => *schema = json!({"anyOf": [schema.clone(), other]}),
        2 => *schema = json!({"allOf": [schema.clone(), other]}),
        _ => {
            for key in ["maxLength", "maximum", "maxItems"] {
                if schema.get(key).is_some() {
                    schema[key] = bump(&schema[key], if below.is_multiple_of(2) { 1 } else { -1 });
                    return;
                }
            }
            if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut)
                && !required.is_empty()
            {
                required.clear();
                return;
            }
            if schema.get("additionalProperties").is_some() {
                schema.as_object_mut().unwrap().remove("additionalProperties");
                return;
            }
            *schema = other.clone();
        }
    }
}

/// A value that is likely to fit a schema, or to miss it by little.
fn instance(schema: &Value, rng: &mut TestRng, depth: u32) -> Value {
    let mut below = |bound: u32| rng.random_range(0..bound);
    if depth > 6 || below(12) == 0 {
        let others = [
            json!(null),
            json!(true),
            json!(0),
            json!(3),
            json!(2.5),
            json!(-1),
            json!("a"),
            json!("longer than nine"),
            json!(""),
            json!([]),
            json!({}),
            json!({"x": 5}),
        ];
        return others[usize::try_from(below(12)).unwrap()].clone();
    }
    if let Some(value) = schema.get("const") {
        return value.clone();
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return values[usize::try_from(below(u32::try_from(values.len()).unwrap())).unwrap()].clone();
    }
    for key in ["anyOf", "allOf"] {
        if let Some(parts) = schema.get(key).and_then(Value::as_array) {
            let first = usize::try_from(below(u32::try_from(parts.len()).unwrap())).unwrap();
            let mut value = instance(&parts[first], rng, depth + 1);
            if key == "allOf" {
                for part in parts {
                    if let (Value::Object(fields), Value::Object(more)) = (&mut value, instance(part, rng, depth + 1)) {
                        for (name, field) in more {
                            fields.entry(name).or_insert(field);
                        }
                    }
                }
            }
            return value;
        }
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        kind => vec![kind.as_str().unwrap_or("null")],
    };
    let kind = kinds[usize::try_from(below(u32::try_from(kinds.len()).unwrap())).unwrap()];
    match kind {
        "string" => {
            let edge = |key: &str, usual: u64| schema.get(key).and_then(Value::as_u64).unwrap_or(usual);
            let lengths = [edge("minLength", 0), edge("maxLength", 3), edge("maxLength", 11) + 1, 1];
            let length = usize::try_from(lengths[usize::try_from(below(4)).unwrap()]).unwrap();
            if below(3) == 0 {
                json!(["a", "b", "c", "d"][usize::try_from(below(4)).unwrap()])
            } else {
                json!("s".repeat(length))
            }
        }
        "integer" | "number" => {
            let edge = |key: &str, usual: i64| schema.get(key).and_then(Value::as_i64).unwrap_or(usual);
            let numbers = [edge("minimum", -7), edge("maximum", 2), edge("maximum", 40) + 1, edge("minimum", 5) - 1];
            if kind == "number" && below(2) == 0 {
                json!(2.5)
            } else {
                json!(numbers[usize::try_from(below(4)).unwrap()])
            }
        }
        "boolean" => json!(below(2) == 0),
        "array" => {
            let length = below(5);
            Value::Array((0..length).map(|_| instance(&schema["items"], rng, depth + 1)).collect())
        }
        "object" => {
            let required: Vec<&str> =
                schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let mut fields = Map::new();
            for (name, field) in schema["properties"].as_object().into_iter().flatten() {
                if required.contains(&name.as_str()) || rng.random_range(0..3) > 0 {
                    fields.insert(name.clone(), instance(field, rng, depth + 1));
                }
            }
            if schema.get("additionalProperties").is_none() && rng.random_range(0..4) == 0 {
                let name = ["x", "y", "z", "other"][rng.random_range(0..4)];
                fields.entry(name).or_insert(json!([5]));
            }
            Value::Object(fields)
        }
        _ => Value::Null,
    }
}

/// A value that fits the first and not the second.
fn witness(fits: &Value, misses: &Value, rng: &mut TestRng, tries: u32) -> Option<Value> {
    let (one, other) = (jsonschema::validator_for(fits).unwrap(), jsonschema::validator_for(misses).unwrap());
    (0..tries).find_map(|at| {
        let value = instance(if at % 2 == 0 { fits } else { misses }, rng, 0);
        (one.is_valid(&value) && !other.is_valid(&value)).then_some(value)
    })
}

/// Whether the comparison goes by policy somewhere, which values alone do not show: fields that are not listed are no promise.
fn is_policy(comparison: &Comparison) -> bool {
    let by_policy = [
        "request-field-added",
        "request-field-required-added",
        "request-field-removed",
        "response-field-added",
        "response-field-removed",
        "request-unused-limit-changed",
        "response-unused-limit-changed",
    ];
    comparison.findings.iter().any(|finding| by_policy.contains(&finding.rule))
}

/// Whether limits of several types of a union may only together take a value in, which the comparison does not see.
fn may_add_up(schema: &Value) -> bool {
    let text = schema.to_string();
    let is_twice = |keyword: &str| text.matches(keyword).count() > 1;
    text.contains("anyOf") && ["maxLength", "maximum", "maxItems", "enum", "const"].into_iter().any(is_twice)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, rng_seed: RngSeed::Fixed(1), max_global_rejects: 100_000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_the_same_is_identical(schema in schema(), in_answer: bool) {
        let comparison = compared(&schema, &schema, in_answer);
        prop_assert_eq!(comparison.verdict, Verdict::Identical);
        prop_assert!(comparison.findings.is_empty() && comparison.not_compared.is_empty());
    }

    #[test]
    fn a_reference_or_a_copy_yaml_or_json_change_nothing(schema in schema(), in_answer: bool) {
        let mut referred = document(&json!({"$ref": "#/components/schemas/S"}), in_answer);
        referred["components"] = json!({"schemas": {"S": schema}});
        let (copied, referred) = (surface(&schema, in_answer), read(&referred.to_string()));
        prop_assert_eq!(compare(&copied, &referred, Settings::default()).verdict, Verdict::Identical);
        // YAML has JSON's own form as one of its own; block style is what a writer makes.
        let yaml = format!("---\n{}\n", serde_json::to_string_pretty(&document(&schema, in_answer)).unwrap());
        prop_assert_eq!(compare(&copied, &read(&yaml), Settings::default()).verdict, Verdict::Identical);
    }

    #[test]
    fn the_same_documents_give_the_same_bytes((before, after) in pair(), in_answer: bool) {
        let bytes = |comparison: &Comparison| serde_json::to_string(comparison).unwrap();
        prop_assert_eq!(bytes(&compared(&before, &after, in_answer)), bytes(&compared(&before, &after, in_answer)));
    }

    #[test]
    fn what_is_breaking_has_a_witness((before, after) in pair(), in_answer: bool, seed: [u8; 32]) {
        let comparison = compared(&before, &after, in_answer);
        prop_assume!(comparison.verdict == Verdict::Breaking && !is_policy(&comparison));
        prop_assume!(!may_add_up(&before) && !may_add_up(&after));
        let mut rng = TestRng::from_seed(proptest::test_runner::RngAlgorithm::ChaCha, &seed);
        let (fits, misses) = if in_answer { (&after, &before) } else { (&before, &after) };
        let found = witness(fits, misses, &mut rng, 4_000);
        prop_assert!(found.is_some(), "no witness: {before} -> {after} {:#?}", comparison.findings);
    }

    #[test]
    fn what_is_compatible_has_none((before, after) in pair(), in_answer: bool, seed: [u8; 32]) {
        let comparison = compared(&before, &after, in_answer);
        prop_assume!(comparison.verdict <= Verdict::Compatible && !is_policy(&comparison));
        let mut rng = TestRng::from_seed(proptest::test_runner::RngAlgorithm::ChaCha, &seed);
        let (fits, misses) = if in_answer { (&after, &before) } else { (&before, &after) };
        let found = witness(fits, misses, &mut rng, 500);
        prop_assert!(found.is_none(), "{found:?}: {before} -> {after} {:#?}", comparison.findings);
    }

    #[test]
    fn compatible_is_transitive((first, second) in pair(), third in schema(), seed: u64, in_answer: bool) {
        let mut last = second.clone();
        replace(&mut last, &third, seed);
        let steps = [compared(&first, &second, in_answer), compared(&second, &last, in_answer)];
        prop_assume!(steps.iter().all(|step| step.verdict <= Verdict::Compatible && !is_policy(step)));
        let whole = compared(&first, &last, in_answer);
        prop_assume!(!is_policy(&whole));
        prop_assert!(whole.verdict <= Verdict::Compatible, "{first} -> {second} -> {last} {:#?}", whole.findings);
    }
}

/// A listed value of another kind than the limit speaks of is let through by it, and one of its kind is not.
#[test]
fn listed_values_of_several_kinds_are_judged_one_by_one() {
    let before = json!({"anyOf": [{"enum": [1, "a"]}, {"type": "boolean"}]});
    let verdict = |limit: u8| compared(&before, &json!({"maxLength": limit}), false).verdict;
    assert_eq!(verdict(0), Verdict::Breaking);
    assert!(verdict(1) < Verdict::Breaking);
}
