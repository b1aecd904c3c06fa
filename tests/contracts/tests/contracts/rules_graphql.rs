//! A pair of schemas for each kind of change that graphql-inspector (and graphql-js before it) knows.

use contracts::finding::Verdict::{self, Breaking, Compatible, Dangerous};

use super::rules::{Row, check};

/// A change of definitions beside a query, with what it does, and what the way back does.
fn both(rows: &mut Vec<Row>, rule: &str, before: &str, after: &str, verdicts: (Verdict, Verdict)) {
    let whole = |text: &str| format!("type Query {{ ping: String }}\n{text}\n");
    let pair = |rule: String, before: &str, after: &str, verdict| Row {
        rule: format!("{rule}: {before} -> {after}"),
        before: whole(before),
        after: whole(after),
        verdict,
    };
    rows.push(pair(rule.to_owned(), before, after, verdicts.0));
    rows.push(pair(format!("{rule}, back"), after, before, verdicts.1));
}

#[test]
fn types() {
    let mut rows = Vec::new();
    for kind in ["type A { a: Int }", "interface A { a: Int }", "input A { a: Int }", "enum A { B }", "scalar A"] {
        both(&mut rows, "TYPE_REMOVED", kind, "", (Breaking, Compatible));
    }
    both(&mut rows, "TYPE_REMOVED", "type A { a: Int } union U = A", "type A { a: Int }", (Breaking, Compatible));
    for (one, other) in [
        ("type A { a: Int }", "input A { a: Int }"),
        ("type A { a: Int }", "interface A { a: Int }"),
        ("type A { a: Int }", "enum A { a }"),
        ("scalar A", "enum A { a }"),
        ("scalar A", "type A { a: Int }"),
        ("input A { a: Int }", "scalar A"),
        (
            "type A { a: Int } type B { a: Int } union A1 = A",
            "type A { a: Int } type B { a: Int } interface A1 { a: Int }",
        ),
    ] {
        both(&mut rows, "TYPE_KIND_CHANGED", one, other, (Breaking, Breaking));
    }
    for words in ["\"more\" type A { a: Int }", "type A { \"more\" a: Int }"] {
        both(&mut rows, "TYPE_DESCRIPTION_ADDED", "type A { a: Int }", words, (Verdict::Identical, Verdict::Identical));
    }
    check(&rows);
}

#[test]
fn roots() {
    let mut rows = Vec::new();
    both(&mut rows, "SCHEMA_MUTATION_TYPE_CHANGED", "", "type Mutation { go: Int }", (Compatible, Breaking));
    both(&mut rows, "SCHEMA_SUBSCRIPTION_TYPE_CHANGED", "", "type Subscription { news: Int }", (Compatible, Breaking));
    check(&rows);
    let named = |name: &str| format!("schema {{ query: {name} }} type {name} {{ ping: String }}");
    check(&[Row {
        rule: "SCHEMA_QUERY_TYPE_CHANGED".to_owned(),
        before: named("Query"),
        after: named("Root"),
        verdict: Breaking,
    }]);
}

#[test]
fn fields() {
    let mut rows = Vec::new();
    for kind in ["type", "interface"] {
        let of = |fields: &str| format!("type B {{ b: Int }} {kind} A {{ {fields} }}");
        both(&mut rows, "FIELD_REMOVED", &of("a: Int b: Int"), &of("a: Int"), (Breaking, Compatible));
        both(
            &mut rows,
            "FIELD_REMOVED, deprecated",
            &of("a: Int b: Int @deprecated"),
            &of("a: Int"),
            (Breaking, Compatible),
        );
        both(&mut rows, "FIELD_DEPRECATION_ADDED", &of("a: Int"), &of("a: Int @deprecated"), (Compatible, Compatible));
        both(
            &mut rows,
            "FIELD_DEPRECATION_REASON_CHANGED",
            &of("a: Int @deprecated(reason: \"x\")"),
            &of("a: Int @deprecated(reason: \"y\")"),
            (Compatible, Compatible),
        );
        for (ty, other, verdicts) in [
            ("Int", "String", (Breaking, Breaking)),
            ("Int", "Int!", (Compatible, Breaking)),
            ("Int", "[Int]", (Breaking, Breaking)),
            ("[Int]", "[Int]!", (Compatible, Breaking)),
            ("[Int]", "[Int!]", (Compatible, Breaking)),
            ("[Int]", "[Int!]!", (Compatible, Breaking)),
            ("[Int]!", "[Int!]", (Breaking, Breaking)),
            ("[Int]", "[[Int]]", (Breaking, Breaking)),
            ("Int", "B", (Breaking, Breaking)),
        ] {
            both(&mut rows, "FIELD_TYPE_CHANGED", &of(&format!("a: {ty}")), &of(&format!("a: {other}")), verdicts);
        }
    }
    check(&rows);
}

#[test]
fn arguments() {
    let of = |arguments: &str| format!("enum E {{ X Y }} type A {{ a{arguments}: Int }}");
    let mut rows = Vec::new();
    for (rule, before, after, verdicts) in [
        ("FIELD_ARGUMENT_ADDED, REMOVED", "", "(x: Int)", (Dangerous, Breaking)),
        ("FIELD_ARGUMENT_ADDED", "", "(x: Int = 1)", (Dangerous, Breaking)),
        ("FIELD_ARGUMENT_ADDED", "", "(x: Int! = 1)", (Dangerous, Breaking)),
        ("FIELD_ARGUMENT_ADDED", "", "(x: Int!)", (Breaking, Breaking)),
        ("FIELD_ARGUMENT_TYPE_CHANGED", "(x: Int)", "(x: Int!)", (Breaking, Compatible)),
        ("FIELD_ARGUMENT_TYPE_CHANGED", "(x: Int)", "(x: String)", (Breaking, Breaking)),
        ("FIELD_ARGUMENT_TYPE_CHANGED", "(x: [Int])", "(x: Int)", (Breaking, Breaking)),
        ("FIELD_ARGUMENT_TYPE_CHANGED", "(x: [Int])", "(x: [Int!])", (Breaking, Compatible)),
        ("FIELD_ARGUMENT_DEFAULT_CHANGED", "(x: Int)", "(x: Int = 1)", (Dangerous, Dangerous)),
        ("FIELD_ARGUMENT_DEFAULT_CHANGED", "(x: Int = 2)", "(x: Int = 1)", (Dangerous, Dangerous)),
        ("FIELD_ARGUMENT_DEFAULT_CHANGED", "(x: E = X)", "(x: E = Y)", (Dangerous, Dangerous)),
        ("FIELD_ARGUMENT_DEFAULT_CHANGED", "(x: [Int] = [1])", "(x: [Int] = [2])", (Dangerous, Dangerous)),
        // Who left it out with a default is refused without: worse than another default.
        ("FIELD_ARGUMENT_DEFAULT_CHANGED", "(x: Int!)", "(x: Int! = 1)", (Dangerous, Breaking)),
        ("FIELD_ARGUMENT_DEPRECATION_ADDED", "(x: Int)", "(x: Int @deprecated)", (Compatible, Compatible)),
    ] {
        both(&mut rows, rule, &of(before), &of(after), verdicts);
    }
    check(&rows);
}

#[test]
fn inputs() {
    let of = |fields: &str| format!("input A {{ z: Int {fields} }}");
    let mut rows = Vec::new();
    for (rule, before, after, verdicts) in [
        // Who checks queries against the earlier schema cannot name it, and who does not name it gets what it got.
        ("INPUT_FIELD_ADDED, REMOVED", "", "x: Int", (Compatible, Breaking)),
        ("INPUT_FIELD_ADDED", "", "x: Int = 1", (Dangerous, Breaking)),
        ("INPUT_FIELD_ADDED", "", "x: Int! = 1", (Dangerous, Breaking)),
        ("INPUT_FIELD_ADDED", "", "x: Int!", (Breaking, Breaking)),
        ("INPUT_FIELD_TYPE_CHANGED", "x: Int", "x: Int!", (Breaking, Compatible)),
        ("INPUT_FIELD_TYPE_CHANGED", "x: Int", "x: String", (Breaking, Breaking)),
        ("INPUT_FIELD_TYPE_CHANGED", "x: [Int]", "x: [Int!]!", (Breaking, Compatible)),
        ("INPUT_FIELD_DEFAULT_VALUE_CHANGED", "x: Int", "x: Int = 1", (Dangerous, Dangerous)),
        ("INPUT_FIELD_DEFAULT_VALUE_CHANGED", "x: Int = 2", "x: Int = 1", (Dangerous, Dangerous)),
        ("INPUT_FIELD_DEPRECATION_ADDED", "x: Int", "x: Int @deprecated", (Compatible, Compatible)),
    ] {
        both(&mut rows, rule, &of(before), &of(after), verdicts);
    }
    let one_of = "input A @oneOf { a: Int b: Int }";
    both(
        &mut rows,
        "DIRECTIVE_USAGE_INPUT_OBJECT_ADDED: oneOf",
        "input A { a: Int b: Int }",
        one_of,
        (Breaking, Compatible),
    );
    check(&rows);
}

#[test]
fn enums_unions_and_interfaces() {
    let mut rows = Vec::new();
    both(&mut rows, "ENUM_VALUE_ADDED, REMOVED", "enum E { A }", "enum E { A B }", (Dangerous, Breaking));
    both(
        &mut rows,
        "ENUM_VALUE_DEPRECATION_REASON_ADDED",
        "enum E { A }",
        "enum E { A @deprecated(reason: \"x\") }",
        (Compatible, Compatible),
    );
    let of = |union: &str| format!("type A {{ a: Int }} type B {{ a: Int }} union U = {union}");
    both(&mut rows, "UNION_MEMBER_ADDED, REMOVED", &of("A"), &of("A | B"), (Dangerous, Breaking));
    let of = |kind: &str, implements: &str| format!("interface I {{ a: Int }} {kind} A {implements} {{ a: Int }}");
    for kind in ["type", "interface"] {
        both(
            &mut rows,
            "OBJECT_TYPE_INTERFACE_ADDED, REMOVED",
            &of(kind, ""),
            &of(kind, "implements I"),
            (Dangerous, Breaking),
        );
    }
    check(&rows);
}

#[test]
fn directives() {
    let mut rows = Vec::new();
    for (rule, before, after, verdicts) in [
        ("DIRECTIVE_ADDED, REMOVED", "", "directive @d on FIELD", (Compatible, Breaking)),
        (
            "DIRECTIVE_LOCATION_ADDED, REMOVED",
            "directive @d on FIELD",
            "directive @d on FIELD | QUERY",
            (Compatible, Breaking),
        ),
        // Who puts it twice is refused: graphql-js says so, graphql-inspector takes it for dangerous.
        (
            "DIRECTIVE_REPEATABLE_ADDED, REMOVED",
            "directive @d on FIELD",
            "directive @d repeatable on FIELD",
            (Compatible, Breaking),
        ),
        (
            "DIRECTIVE_ARGUMENT_ADDED, REMOVED",
            "directive @d on FIELD",
            "directive @d(a: Int) on FIELD",
            (Compatible, Breaking),
        ),
        ("DIRECTIVE_ARGUMENT_ADDED", "directive @d on FIELD", "directive @d(a: Int!) on FIELD", (Breaking, Breaking)),
        // graphql-inspector says breaking, by the type alone; who leaves it out goes on with the default.
        (
            "DIRECTIVE_ARGUMENT_ADDED",
            "directive @d on FIELD",
            "directive @d(a: Int! = 1) on FIELD",
            (Dangerous, Breaking),
        ),
        (
            "DIRECTIVE_ARGUMENT_TYPE_CHANGED",
            "directive @d(a: Int) on FIELD",
            "directive @d(a: Int!) on FIELD",
            (Breaking, Compatible),
        ),
        (
            "DIRECTIVE_ARGUMENT_TYPE_CHANGED",
            "directive @d(a: Int) on FIELD",
            "directive @d(a: String) on FIELD",
            (Breaking, Breaking),
        ),
        (
            "DIRECTIVE_ARGUMENT_DEFAULT_VALUE_CHANGED",
            "directive @d(a: Int = 2) on FIELD",
            "directive @d(a: Int = 1) on FIELD",
            (Dangerous, Dangerous),
        ),
    ] {
        both(&mut rows, rule, before, after, verdicts);
    }
    // Callers do not see where a directive is applied; graphql-inspector cannot know what it does and says dangerous.
    let used = |at: &str| format!("directive @d on OBJECT | FIELD_DEFINITION | ENUM | SCALAR type A {at} {{ a: Int }}");
    both(&mut rows, "DIRECTIVE_USAGE_OBJECT_ADDED, REMOVED", &used(""), &used("@d"), (Compatible, Compatible));
    check(&rows);
}
