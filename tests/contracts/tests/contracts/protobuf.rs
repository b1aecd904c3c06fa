//! Pairs of `.proto` files for each rule of the table, both ways.

use catalog::readers::{Files, protobuf};
use contracts::compare::{Level, Settings, compare};
use contracts::finding::{Comparison, Severity, Verdict};
use shared::surface::Surface;

const LEVELS: [Level; 4] = [Level::Wire, Level::WireJson, Level::Package, Level::File];

fn surface(files: &[(&str, &str)]) -> Surface {
    let mut upload = Files::default();
    for (path, text) in files {
        upload.add(path, text.as_bytes().to_vec());
    }
    let roots: Vec<&str> = upload.paths().collect();
    protobuf::read(&upload, &roots).unwrap().0
}

fn compared(before: &[(&str, &str)], after: &[(&str, &str)], level: Level) -> Comparison {
    compare(&surface(before), &surface(after), Settings { level })
}

/// The rules that a change breaks at a level.
fn broken(before: &[(&str, &str)], after: &[(&str, &str)], level: Level) -> Vec<&'static str> {
    let found = compared(before, after, level).findings;
    found.into_iter().filter(|one| one.severity == Severity::Breaking).map(|one| one.rule).collect()
}

/// One file, its body with a service that takes and answers `M`.
fn file(body: &str) -> String {
    let head = if body.starts_with("syntax") || body.starts_with("edition") { "" } else { "syntax = \"proto3\"; " };
    match body.split_once(';') {
        Some((syntax, rest)) if head.is_empty() => format!("{syntax}; package p; {rest}"),
        _ => format!("{head}package p; {body}"),
    }
}

/// That a change is these breaking findings from the level on and none before.
fn breaks(before: &str, after: &str, from: Level, rules: &[&str]) {
    let (old, new) = (file(before), file(after));
    for level in LEVELS {
        let expected = if level >= from { rules } else { &[] };
        assert_eq!(
            broken(&[("a.proto", &old)], &[("a.proto", &new)], level),
            expected,
            "{before} -> {after} at {level:?}"
        );
    }
}

/// That a change is compatible at each level, and these findings.
fn compatible(before: &str, after: &str, rules: &[&str]) {
    let (old, new) = (file(before), file(after));
    for level in LEVELS {
        let compared = compared(&[("a.proto", &old)], &[("a.proto", &new)], level);
        let found: Vec<&str> =
            compared.findings.iter().map(|one| one.rule).filter(|rule| *rule != "detail-changed").collect();
        assert_eq!(found, rules, "{before} -> {after} at {level:?}");
        assert!(compared.verdict <= Verdict::Compatible, "{before} -> {after} at {level:?}");
    }
}

#[test]
fn a_field_that_is_gone_breaks_unless_it_is_reserved_and_code_always() {
    let full = "message M { string a = 1; int32 b = 2; }";
    breaks(full, "message M { string a = 1; }", Level::Wire, &["protobuf-field-removed"]);
    breaks(full, "message M { string a = 1; reserved 2; }", Level::WireJson, &["protobuf-field-removed"]);
    breaks(
        full,
        "message M { string a = 1; reserved 1000 to max, 2; reserved \"b\"; }",
        Level::Package,
        &["protobuf-field-removed"],
    );
    compatible("message M { string a = 1; }", full, &["protobuf-field-added"]);
}

#[test]
fn a_rename_is_one_finding_of_code_and_json() {
    breaks(
        "message M { string a_b = 1; }",
        "message M { string c = 1; }",
        Level::WireJson,
        &["protobuf-field-renamed"],
    );
    breaks(
        "message M { string a_b = 1; }",
        "message M { string a_b = 1 [json_name = \"x\"]; }",
        Level::WireJson,
        &["protobuf-field-renamed"],
    );
    compatible("message M { string a_b = 1; }", "message M { string a_b = 1 [json_name = \"aB\"]; }", &[]);
}

#[test]
fn scalars_that_are_written_alike_break_where_they_are_told_apart() {
    let field =
        |ty: &str| format!("message M {{ {ty} a = 1; }} enum E {{ X = 0; }} enum F {{ Y = 0; }} message N {{}}");
    for (from, to, level) in [
        ("int32", "uint32", Level::Package),
        ("int64", "uint64", Level::Package),
        ("fixed32", "sfixed32", Level::Package),
        ("fixed64", "sfixed64", Level::Package),
        ("int32", "int64", Level::WireJson),
        ("uint64", "bool", Level::WireJson),
        ("sint32", "sint64", Level::WireJson),
        ("int32", "sint32", Level::Wire),
        ("int32", "fixed32", Level::Wire),
        ("fixed32", "fixed64", Level::Wire),
        ("float", "double", Level::Wire),
        ("int64", "string", Level::Wire),
        ("repeated int32", "repeated string", Level::Wire),
        ("map<string, int32>", "map<string, uint32>", Level::Package),
        ("map<string, int32>", "map<bool, int32>", Level::Wire),
    ] {
        breaks(&field(from), &field(to), level, &["protobuf-field-type-changed"]);
        breaks(&field(to), &field(from), level, &["protobuf-field-type-changed"]);
    }
    breaks(&field("string"), &field("bytes"), Level::WireJson, &["protobuf-field-type-changed"]);
    breaks(&field("bytes"), &field("string"), Level::Wire, &["protobuf-field-type-changed"]);
    breaks(&field("E"), &field("F"), Level::Wire, &["protobuf-field-type-changed"]);
    breaks(&field("optional N"), &field("optional M"), Level::Wire, &["protobuf-field-type-changed"]);
}

#[test]
fn an_enumeration_as_an_integer_is_dangerous_on_the_wire_and_breaks_json() {
    let (old, new) =
        (file("enum E { X = 0; } message M { E a = 1; }"), file("enum E { X = 0; } message M { int32 a = 1; }"));
    for (before, after) in [(&old, &new), (&new, &old)] {
        let verdict = |level| compared(&[("a.proto", before)], &[("a.proto", after)], level).verdict;
        assert_eq!(verdict(Level::Wire), Verdict::Dangerous);
        assert_eq!(verdict(Level::WireJson), Verdict::Breaking);
    }
}

#[test]
fn an_enumeration_that_moves_with_its_values_keeps_the_wire() {
    let old = "message M { enum E { X = 0; } E a = 1; } enum E { X = 0; Y = 1; }";
    let new = "message M { enum E { X = 0; } .p.E a = 1; } enum E { X = 0; Y = 1; }";
    breaks(old, new, Level::Package, &["protobuf-field-type-changed"]);
    breaks(new, old, Level::Wire, &["protobuf-field-type-changed"]);
}

#[test]
fn cardinality_breaks_where_it_is_seen() {
    let rule = &["protobuf-field-cardinality-changed"];
    breaks("message M { int32 a = 1; }", "message M { repeated int32 a = 1; }", Level::Wire, rule);
    breaks("message M { repeated int32 a = 1; }", "message M { int32 a = 1; }", Level::Wire, rule);
    breaks("message M { int32 a = 1; }", "message M { optional int32 a = 1; }", Level::Package, rule);
    breaks("message M { optional int32 a = 1; }", "message M { int32 a = 1; }", Level::Package, rule);
    compatible(
        "message M { repeated int32 a = 1; }",
        "message M { repeated int32 a = 1 [packed = false]; }",
        &["protobuf-field-packing-changed"],
    );
}

#[test]
fn what_is_required_breaks_the_wire_both_ways() {
    let two = |body: &str| format!("syntax = \"proto2\"; message M {{ {body} }}");
    let none = two("reserved 1; reserved \"a\"; ");
    let (optional, required) = (two("optional int32 a = 1;"), two("required int32 a = 1;"));
    breaks(&optional, &required, Level::Wire, &["protobuf-field-cardinality-changed"]);
    breaks(&required, &optional, Level::Wire, &["protobuf-field-cardinality-changed"]);
    breaks(&two(""), &required, Level::Wire, &["protobuf-required-field-added"]);
    breaks(&required, &none, Level::Wire, &["protobuf-field-removed"]);
}

#[test]
fn defaults_are_compared_by_what_they_mean() {
    let two = |body: &str| format!("syntax = \"proto2\"; enum E {{ X = 1; Y = 2; }} message M {{ {body} }}");
    let rule = &["protobuf-field-default-changed"];
    breaks(&two("optional int32 a = 1;"), &two("optional int32 a = 1 [default = 5];"), Level::Wire, rule);
    breaks(&two("optional int32 a = 1 [default = 5];"), &two("optional int32 a = 1;"), Level::Wire, rule);
    breaks(&two("optional E a = 1;"), &two("optional E a = 1 [default = Y];"), Level::Wire, rule);
    compatible(&two("optional E a = 1;"), &two("optional E a = 1 [default = X];"), &[]);
    compatible(&two("optional int32 a = 1;"), &two("optional int32 a = 1 [default = 0];"), &[]);
    let values = |body: &str| format!("syntax = \"proto2\"; enum E {{ {body} }} message M {{ optional E a = 1; }}");
    breaks(&values("X = 1; Y = 2;"), &values("Y = 2; X = 1;"), Level::Wire, &["protobuf-enum-default-changed"]);
}

#[test]
fn a_oneof_is_entered_and_left_at_a_price() {
    let (out, inside) =
        ("message M { oneof x { int32 z = 9; } int32 a = 1; }", "message M { oneof x { int32 z = 9; int32 a = 1; } }");
    let rules = &["protobuf-field-cardinality-changed", "protobuf-field-oneof-changed"];
    for (before, after) in [(out, inside), (inside, out)] {
        let (before, after) = (file(before), file(after));
        assert_eq!(broken(&[("a.proto", &before)], &[("a.proto", &after)], Level::File), rules);
        assert_eq!(broken(&[("a.proto", &before)], &[("a.proto", &after)], Level::Wire), rules[1..]);
    }
    // One finding, though both fields have moved.
    let other = "message M { oneof y { int32 z = 9; int32 a = 1; } }";
    breaks(inside, other, Level::Wire, &["protobuf-oneof-removed"]);
    let gone = "message M { reserved 1, 9; reserved \"a\", \"z\"; }";
    let removed = &["protobuf-field-removed", "protobuf-field-removed", "protobuf-oneof-removed"];
    breaks(inside, gone, Level::Package, removed);
}

#[test]
fn values_of_enumerations_are_matched_by_number() {
    let values = |body: &str| format!("enum E {{ X = 0; {body} }}");
    breaks(&values("Y = 1;"), &values(""), Level::Wire, &["protobuf-enum-value-removed"]);
    breaks(&values("Y = 1;"), &values("reserved 1;"), Level::WireJson, &["protobuf-enum-value-removed"]);
    breaks(&values("Y = 1;"), &values("reserved 1; reserved \"Y\";"), Level::Package, &["protobuf-enum-value-removed"]);
    breaks(&values("Y = 1;"), &values("Z = 1;"), Level::WireJson, &["protobuf-enum-value-renamed"]);
    compatible(&values(""), &values("Y = 1;"), &["protobuf-enum-value-added"]);
    compatible(
        "enum E { option allow_alias = true; X = 0; Y = 1; }",
        "enum E { option allow_alias = true; X = 0; Y = 1; Z = 1; }",
        &["protobuf-enum-value-added"],
    );
    breaks(
        "enum E { option allow_alias = true; X = 0; Y = 1; Z = 1; }",
        "enum E { option allow_alias = true; X = 0; Y = 1; }",
        Level::WireJson,
        &["protobuf-enum-value-renamed"],
    );
}

#[test]
fn what_is_reserved_stays_reserved() {
    let rule = &["protobuf-reserved-removed"];
    breaks("message M { reserved 5 to 9; }", "message M { reserved 5 to 8; }", Level::Wire, rule);
    breaks("message M { reserved \"a\"; }", "message M { reserved \"b\"; }", Level::Wire, rule);
    breaks("enum E { X = 0; reserved 5; }", "enum E { X = 0; }", Level::Wire, rule);
    compatible("message M { reserved 5 to 8; }", "message M { reserved 5 to 6, 7 to 9; }", &[]);
}

#[test]
fn what_others_may_extend_is_not_taken_back() {
    let two = |body: &str| format!("syntax = \"proto2\"; message M {{ {body} }}");
    breaks(
        &two("extensions 100 to 200;"),
        &two("extensions 100 to 150;"),
        Level::Package,
        &["protobuf-extension-range-removed"],
    );
    compatible(&two("extensions 100 to 150;"), &two("extensions 100 to 200;"), &[]);
    let extended = |body: &str| format!("syntax = \"proto2\"; message M {{ extensions 100 to 200; }} {body}");
    let one = extended("extend M { optional int32 a = 100; }");
    breaks(&one, &extended(""), Level::Package, &["protobuf-extension-removed"]);
    breaks(&one, &extended("extend M { optional string a = 100; }"), Level::Wire, &["protobuf-field-type-changed"]);
    breaks(&one, &extended("extend M { optional int32 b = 100; }"), Level::WireJson, &["protobuf-field-renamed"]);
    compatible(&extended(""), &one, &["protobuf-field-added"]);
}

#[test]
fn a_type_that_is_gone_is_one_finding() {
    let full = "message M { message N { string a = 1; } enum E { X = 0; } } message K {}";
    breaks(full, "message K {}", Level::Package, &["protobuf-message-removed"]);
    breaks(full, "message M { message N { string a = 1; } } message K {}", Level::Package, &["protobuf-enum-removed"]);
    compatible("message K {}", full, &["protobuf-type-added"]);
}

#[test]
fn options_of_messages_and_fields_break_what_they_generate() {
    let two = |body: &str| format!("syntax = \"proto2\"; message M {{ {body} }}");
    breaks(
        &two(""),
        &two("option no_standard_descriptor_accessor = true;"),
        Level::Package,
        &["protobuf-descriptor-accessor-removed"],
    );
    let set = two("option message_set_wire_format = true; extensions 4 to max;");
    breaks(&two("extensions 4 to max;"), &set, Level::Wire, &["protobuf-message-set-changed"]);
    let field = |options: &str| format!("message M {{ string a = 1{options}; int64 b = 2; }}");
    breaks(&field(""), &field(" [ctype = CORD]"), Level::Package, &["protobuf-field-string-type-changed"]);
    breaks(&field(" [ctype = CORD]"), &field(""), Level::Package, &["protobuf-field-string-type-changed"]);
    compatible(&field(" [ctype = STRING_PIECE]"), &field(""), &[]);
    let long = |options: &str| format!("message M {{ int64 a = 1{options}; }}");
    breaks(&long(""), &long(" [jstype = JS_STRING]"), Level::Package, &["protobuf-field-js-type-changed"]);
    let edition = |features: &str| format!("edition = \"2023\"; message M {{ string a = 1{features}; }}");
    breaks(
        &edition(""),
        &edition(" [features.utf8_validation = NONE]"),
        Level::Package,
        &["protobuf-field-utf8-changed"],
    );
    compatible(
        "message M { int32 a = 1; }",
        "message M { int32 a = 1 [deprecated = true]; }",
        &["protobuf-deprecation-changed"],
    );
}

#[test]
fn features_decide_as_syntax_does() {
    let open = "edition = \"2023\"; enum E { X = 0; }";
    let closed = "edition = \"2023\"; enum E { option features.enum_type = CLOSED; X = 0; }";
    breaks(open, closed, Level::Package, &["protobuf-enum-openness-changed"]);
    breaks(closed, open, Level::Package, &["protobuf-enum-openness-changed"]);
    let json = "edition = \"2023\"; message M { option features.json_format = LEGACY_BEST_EFFORT; }";
    breaks("edition = \"2023\"; message M {}", json, Level::WireJson, &["protobuf-message-json-changed"]);
    compatible(json, "edition = \"2023\"; message M {}", &[]);
    let message = |features: &str| format!("edition = \"2023\"; message M {{ M a = 1{features}; }}");
    let delimited = message(" [features.message_encoding = DELIMITED]");
    breaks(&message(""), &delimited, Level::Wire, &["protobuf-field-type-changed"]);
}

#[test]
fn methods_keep_their_messages_and_streams() {
    let service = |method: &str| format!("message M {{}} message N {{}} service S {{ {method} }}");
    let one = service("rpc A(M) returns (M);");
    for (other, rule) in [
        ("rpc A(N) returns (M);", "protobuf-rpc-request-changed"),
        ("rpc A(M) returns (N);", "protobuf-rpc-response-changed"),
        ("rpc A(stream M) returns (M);", "protobuf-rpc-streaming-changed"),
        ("rpc A(M) returns (stream M);", "protobuf-rpc-streaming-changed"),
        ("rpc A(M) returns (M) { option idempotency_level = IDEMPOTENT; }", "protobuf-rpc-idempotency-changed"),
    ] {
        breaks(&one, &service(other), Level::Wire, &[rule]);
        breaks(&service(other), &one, Level::Wire, &[rule]);
    }
    breaks(&one, &service(""), Level::Wire, &["protobuf-rpc-removed"]);
    compatible(&service(""), &one, &["protobuf-rpc-added"]);
    breaks(&one, "message M {} message N {}", Level::Wire, &["protobuf-service-removed"]);
    compatible("message M {} message N {}", &one, &["protobuf-service-added"]);
}

#[test]
fn a_path_of_http_that_is_gone_is_dangerous() {
    let service = |binding: &str| {
        file(&format!(
            "import \"google/api/annotations.proto\"; message M {{}} service S {{ rpc A(M) returns (M) {{ option (google.api.http) = {{ {binding} }}; }} }}"
        ))
    };
    let (one, two) = (service("get: \"/a\""), service("get: \"/b\""));
    assert_eq!(compared(&[("a.proto", &one)], &[("a.proto", &two)], Level::File).verdict, Verdict::Dangerous);
    let both = service("get: \"/a\" additional_bindings { get: \"/b\" }");
    assert_eq!(compared(&[("a.proto", &one)], &[("a.proto", &both)], Level::File).verdict, Verdict::Compatible);
}

#[test]
fn files_count_at_the_level_of_files_alone() {
    let (m, n) = (file("message M {}"), file("message N {}"));
    let both = file("message M {} message N {}");
    let before = [("m.proto", m.as_str()), ("n.proto", n.as_str())];
    let together = [("m.proto", both.as_str())];
    assert_eq!(broken(&before, &together, Level::File), ["protobuf-file-removed"]);
    assert_eq!(broken(&before, &together, Level::Package), Vec::<&str>::new());
    let swapped = [("m.proto", n.as_str()), ("n.proto", m.as_str())];
    assert_eq!(broken(&before, &swapped, Level::File), ["protobuf-type-moved"; 2]);
    assert_eq!(broken(&before, &swapped, Level::Package), Vec::<&str>::new());
    assert_eq!(broken(&before, &before[..1], Level::File), ["protobuf-file-removed"]);
    assert_eq!(broken(&before, &before[..1], Level::Package), ["protobuf-message-removed"]);
}

#[test]
fn a_package_that_is_renamed_is_one_finding() {
    let old = "syntax = \"proto3\"; package a; message M { message N {} } service S { rpc A(M) returns (M); }";
    let new = old.replace("package a", "package b.c");
    for level in [Level::Package, Level::File] {
        let rules = broken(&[("a.proto", old)], &[("a.proto", &new)], level);
        assert!(rules.contains(&"protobuf-file-package-changed"), "{rules:?}");
        assert!(
            !rules.iter().any(|rule| matches!(*rule, "protobuf-message-removed" | "protobuf-service-removed")),
            "{rules:?}"
        );
    }
}

#[test]
fn options_of_files_without_types_are_compared() {
    let with = |option: &str| format!("syntax = \"proto3\"; package p; {option}");
    let (none, go) = (with(""), with("option go_package = \"x\";"));
    for (old, new) in [(&none, &go), (&go, &none)] {
        let broken =
            |level| broken(&[("a.proto", old), ("b.proto", old)], &[("a.proto", new), ("b.proto", new)], level);
        // Of two files, but one change.
        assert_eq!(broken(Level::File), ["protobuf-file-option-changed"]);
        assert_eq!(broken(Level::WireJson), Vec::<&str>::new());
    }
    let swift = with("option java_multiple_files = false; option cc_enable_arenas = true;");
    assert_eq!(broken(&[("a.proto", &none)], &[("a.proto", &swift)], Level::File), Vec::<&str>::new());
    let two = none.replace("proto3", "proto2");
    assert_eq!(broken(&[("a.proto", &none)], &[("a.proto", &two)], Level::File), ["protobuf-file-syntax-changed"]);
}

#[test]
fn a_finding_tells_the_methods_that_reach_it_and_both_places() {
    let body = |ty: &str| {
        file(&format!(
            "message M {{ map<string, N> n = 1; }}\nmessage N {{ {ty} a = 1; }}\nmessage K {{}}\nservice S {{ rpc A(M) returns (K); rpc B(K) returns (N); rpc C(K) returns (K); }}"
        ))
    };
    let (old, new) = (body("int32"), body("string"));
    let compared = compared(&[("a.proto", &old)], &[("a.proto", &new)], Level::Wire);
    let [found] = compared.findings.as_slice() else { panic!("{compared:?}") };
    assert_eq!(found.operations, ["p.S/A", "p.S/B"]);
    assert_eq!(found.before.as_ref().map(|at| (at.line, at.pointer.as_str())), Some((2, "p.N.a")));
    assert_eq!(found.after.as_ref().map(|at| (at.line, at.pointer.as_str())), Some((2, "p.N.a")));
    assert_eq!(found.summary, "The field p.N.a changed its type from int32 to string.");
}

#[test]
fn the_same_files_are_identical() {
    let text = file("message M { string a = 1; reserved 5; } enum E { X = 0; } service S { rpc A(M) returns (M); }");
    for level in LEVELS {
        let compared = compared(&[("a.proto", &text)], &[("a.proto", &text)], level);
        assert_eq!((compared.verdict, compared.findings.len()), (Verdict::Identical, 0));
    }
}
