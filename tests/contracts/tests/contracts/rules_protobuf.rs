//! A pair of files for each rule of buf's category FILE that has none in `protobuf.rs`, by the rule's name, and the category of ours that says so.

use std::slice::from_ref;

use catalog::readers::{Files, protobuf};
use contracts::compare::{Settings, compare};
use contracts::finding::Verdict;
use shared::surface::Surface;

fn surface(files: &[(&str, String)]) -> Surface {
    let mut upload = Files::default();
    for (path, text) in files {
        upload.add(path, text.as_bytes().to_vec());
    }
    let roots: Vec<&str> = upload.paths().collect();
    protobuf::read(&upload, &roots).unwrap_or_else(|refused| panic!("{refused:?}")).0
}

/// That the change is breaking, or that it is not.
fn verdict(rule: &str, before: &[(&str, String)], after: &[(&str, String)], is_breaking: bool) {
    let found = compare(&surface(before), &surface(after), Settings::default());
    assert_eq!(found.verdict == Verdict::Breaking, is_breaking, "{rule}: {before:?} -> {after:?}: {found:#?}");
}

fn one(syntax: &str, body: &str) -> [(&'static str, String); 1] {
    [("a.proto", format!("{syntax}; package p;\n{body}\n"))]
}

/// A change within one file: its rule, its syntax, before, after, and whether the way back breaks, too.
#[test]
fn every_rule_of_the_category_file_has_a_pair() {
    let (two, three, edition) = ("syntax = \"proto2\"", "syntax = \"proto3\"", "edition = \"2023\"");
    for (rule, syntax, before, after, is_back_breaking) in [
        ("MESSAGE_NO_DELETE", three, "message A {} message B {}", "message A {}", false),
        ("MESSAGE_NO_DELETE, nested", three, "message A { message B {} }", "message A {}", false),
        ("ENUM_NO_DELETE", three, "enum E { Z = 0; } enum F { Y = 0; }", "enum E { Z = 0; }", false),
        ("ENUM_NO_DELETE, nested", three, "message A { enum E { Z = 0; } }", "message A {}", false),
        ("ENUM_VALUE_NO_DELETE", three, "enum E { Z = 0; Y = 1; }", "enum E { Z = 0; }", false),
        (
            "ENUM_VALUE_NO_DELETE, reserved",
            three,
            "enum E { Z = 0; Y = 1; }",
            "enum E { Z = 0; reserved 1; reserved \"Y\"; }",
            true,
        ),
        ("ENUM_VALUE_SAME_NAME", three, "enum E { Z = 0; Y = 1; }", "enum E { Z = 0; X = 1; }", true),
        (
            "ENUM_VALUE_SAME_NAME, alias",
            three,
            "enum E { option allow_alias = true; Z = 0; Y = 1; X = 1; }",
            "enum E { option allow_alias = true; Z = 0; Y = 1; W = 1; }",
            true,
        ),
        ("ENUM_SAME_TYPE", edition, "enum E { Z = 0; }", "enum E { option features.enum_type = CLOSED; Z = 0; }", true),
        (
            "ENUM_SAME_JSON_FORMAT",
            edition,
            "enum E { Z = 0; }",
            "enum E { option features.json_format = LEGACY_BEST_EFFORT; Z = 0; }",
            false,
        ),
        (
            "MESSAGE_SAME_JSON_FORMAT",
            edition,
            "message A {}",
            "message A { option features.json_format = LEGACY_BEST_EFFORT; }",
            false,
        ),
        ("FIELD_NO_DELETE", three, "message A { int32 a = 1; int32 b = 2; }", "message A { int32 a = 1; }", false),
        (
            "FIELD_NO_DELETE, in a oneof",
            three,
            "message A { oneof o { int32 a = 1; int32 b = 2; } }",
            "message A { oneof o { int32 a = 1; } }",
            false,
        ),
        ("FIELD_SAME_NAME", three, "message A { int32 a = 1; }", "message A { int32 b = 1; }", true),
        (
            "FIELD_SAME_JSON_NAME",
            three,
            "message A { int32 a = 1; }",
            "message A { int32 a = 1 [json_name = \"c\"]; }",
            true,
        ),
        ("FIELD_SAME_TYPE", three, "message A { int32 a = 1; }", "message A { int64 a = 1; }", true),
        (
            "FIELD_SAME_TYPE, message",
            three,
            "message B {} message C {} message A { B a = 1; }",
            "message B {} message C {} message A { C a = 1; }",
            true,
        ),
        (
            "FIELD_SAME_TYPE, map",
            three,
            "message A { map<string, int32> a = 1; }",
            "message A { map<string, int64> a = 1; }",
            true,
        ),
        (
            "FIELD_SAME_TYPE, map key",
            three,
            "message A { map<string, int32> a = 1; }",
            "message A { map<int32, int32> a = 1; }",
            true,
        ),
        (
            "FIELD_SAME_TYPE, group",
            two,
            "message A { optional group B = 1 {} }",
            "message A { optional B b = 1; message B {} }",
            true,
        ),
        ("FIELD_SAME_CARDINALITY", three, "message A { int32 a = 1; }", "message A { repeated int32 a = 1; }", true),
        (
            "FIELD_SAME_CARDINALITY, optional",
            three,
            "message A { int32 a = 1; }",
            "message A { optional int32 a = 1; }",
            true,
        ),
        (
            "FIELD_SAME_CARDINALITY, required",
            two,
            "message A { optional int32 a = 1; }",
            "message A { required int32 a = 1; }",
            true,
        ),
        (
            "FIELD_SAME_DEFAULT",
            two,
            "message A { optional int32 a = 1; }",
            "message A { optional int32 a = 1 [default = 5]; }",
            true,
        ),
        (
            "FIELD_SAME_DEFAULT, text",
            two,
            "message A { optional string a = 1 [default = \"x\"]; }",
            "message A { optional string a = 1 [default = \"y\"]; }",
            true,
        ),
        (
            "FIELD_SAME_ONEOF",
            three,
            "message A { oneof o { int32 a = 1; int32 b = 2; } }",
            "message A { oneof o { int32 a = 1; } int32 b = 2; }",
            true,
        ),
        (
            "FIELD_SAME_CTYPE",
            two,
            "message A { optional string a = 1; }",
            "message A { optional string a = 1 [ctype = CORD]; }",
            true,
        ),
        (
            "FIELD_SAME_JSTYPE",
            three,
            "message A { int64 a = 1; }",
            "message A { int64 a = 1 [jstype = JS_STRING]; }",
            true,
        ),
        (
            "FIELD_SAME_UTF8_VALIDATION",
            edition,
            "message A { string a = 1; }",
            "message A { string a = 1 [features.utf8_validation = NONE]; }",
            true,
        ),
        (
            "FIELD_SAME_CPP_STRING_TYPE",
            edition,
            "import \"google/protobuf/cpp_features.proto\"; message A { string a = 1; }",
            "import \"google/protobuf/cpp_features.proto\"; message A { string a = 1 [features.(pb.cpp).string_type = CORD]; }",
            true,
        ),
        (
            "FIELD_SAME_JAVA_UTF8_VALIDATION",
            two,
            "message A { optional string a = 1; }",
            "option java_string_check_utf8 = true; message A { optional string a = 1; }",
            true,
        ),
        ("ONEOF_NO_DELETE", three, "message A { oneof o { int32 a = 1; } }", "message A { int32 a = 1; }", true),
        ("MESSAGE_SAME_REQUIRED_FIELDS", two, "message A {}", "message A { required int32 a = 1; }", true),
        ("RESERVED_MESSAGE_NO_DELETE", three, "message A { reserved 5; }", "message A {}", false),
        ("RESERVED_MESSAGE_NO_DELETE, name", three, "message A { reserved \"x\"; }", "message A {}", false),
        (
            "RESERVED_MESSAGE_NO_DELETE, range",
            three,
            "message A { reserved 5 to 10; }",
            "message A { reserved 6 to 10; }",
            false,
        ),
        ("RESERVED_ENUM_NO_DELETE", three, "enum E { Z = 0; reserved 5; }", "enum E { Z = 0; }", false),
        (
            "EXTENSION_MESSAGE_NO_DELETE",
            two,
            "message A { extensions 100 to 200; }",
            "message A { extensions 100 to 150; }",
            false,
        ),
        (
            "EXTENSION_NO_DELETE",
            two,
            "message A { extensions 100; } extend A { optional int32 a = 100; }",
            "message A { extensions 100; }",
            false,
        ),
        (
            "MESSAGE_NO_REMOVE_STANDARD_DESCRIPTOR_ACCESSOR",
            two,
            "message A {}",
            "message A { option no_standard_descriptor_accessor = true; }",
            false,
        ),
        (
            "MESSAGE_SAME_MESSAGE_SET_WIRE_FORMAT",
            two,
            "message A { extensions 4 to 100; }",
            "message A { option message_set_wire_format = true; extensions 4 to 100; }",
            true,
        ),
        (
            "SERVICE_NO_DELETE",
            three,
            "message A {} service S { rpc R(A) returns (A); } service T { rpc R(A) returns (A); }",
            "message A {} service S { rpc R(A) returns (A); }",
            false,
        ),
        (
            "RPC_NO_DELETE",
            three,
            "message A {} service S { rpc R(A) returns (A); rpc Q(A) returns (A); }",
            "message A {} service S { rpc R(A) returns (A); }",
            false,
        ),
        (
            "RPC_SAME_REQUEST_TYPE",
            three,
            "message A {} message B {} service S { rpc R(A) returns (A); }",
            "message A {} message B {} service S { rpc R(B) returns (A); }",
            true,
        ),
        (
            "RPC_SAME_RESPONSE_TYPE",
            three,
            "message A {} message B {} service S { rpc R(A) returns (A); }",
            "message A {} message B {} service S { rpc R(A) returns (B); }",
            true,
        ),
        (
            "RPC_SAME_CLIENT_STREAMING",
            three,
            "message A {} service S { rpc R(A) returns (A); }",
            "message A {} service S { rpc R(stream A) returns (A); }",
            true,
        ),
        (
            "RPC_SAME_SERVER_STREAMING",
            three,
            "message A {} service S { rpc R(A) returns (A); }",
            "message A {} service S { rpc R(A) returns (stream A); }",
            true,
        ),
        (
            "RPC_SAME_IDEMPOTENCY_LEVEL",
            three,
            "message A {} service S { rpc R(A) returns (A); }",
            "message A {} service S { rpc R(A) returns (A) { option idempotency_level = NO_SIDE_EFFECTS; } }",
            true,
        ),
        ("FILE_SAME_PACKAGE", three, "message A {}", "message A {}", false),
        (
            "comments and order",
            three,
            "message A { int32 a = 1; int32 b = 2; }",
            "/* more */ message A { int32 b = 2; int32 a = 1; }",
            false,
        ),
    ] {
        let is_breaking = !matches!(rule, "FILE_SAME_PACKAGE" | "comments and order");
        verdict(rule, &one(syntax, before), &one(syntax, after), is_breaking);
        verdict(&format!("{rule}, back"), &one(syntax, after), &one(syntax, before), is_back_breaking);
    }
}

#[test]
fn every_option_of_a_file_that_names_generated_code_has_a_pair() {
    let with = |option: &str| one("syntax = \"proto3\"", &format!("{option} message A {{}}"));
    for (rule, option) in [
        ("FILE_SAME_GO_PACKAGE", "go_package = \"a/b\""),
        ("FILE_SAME_JAVA_PACKAGE", "java_package = \"a.b\""),
        ("FILE_SAME_JAVA_OUTER_CLASSNAME", "java_outer_classname = \"Ab\""),
        ("FILE_SAME_JAVA_MULTIPLE_FILES", "java_multiple_files = true"),
        ("FILE_SAME_CSHARP_NAMESPACE", "csharp_namespace = \"A.B\""),
        ("FILE_SAME_OBJC_CLASS_PREFIX", "objc_class_prefix = \"AB\""),
        ("FILE_SAME_OPTIMIZE_FOR", "optimize_for = CODE_SIZE"),
        ("FILE_SAME_PHP_CLASS_PREFIX", "php_class_prefix = \"Ab\""),
        ("FILE_SAME_PHP_NAMESPACE", "php_namespace = \"Ab\""),
        ("FILE_SAME_PHP_METADATA_NAMESPACE", "php_metadata_namespace = \"Ab\""),
        ("FILE_SAME_RUBY_PACKAGE", "ruby_package = \"Ab\""),
        ("FILE_SAME_SWIFT_PREFIX", "swift_prefix = \"Ab\""),
        ("FILE_SAME_CC_ENABLE_ARENAS", "cc_enable_arenas = false"),
        ("FILE_SAME_CC_GENERIC_SERVICES", "cc_generic_services = true"),
        ("FILE_SAME_JAVA_GENERIC_SERVICES", "java_generic_services = true"),
        ("FILE_SAME_PY_GENERIC_SERVICES", "py_generic_services = true"),
    ] {
        let option = with(&format!("option {option};"));
        verdict(rule, &with(""), &option, true);
        verdict(&format!("{rule}, back"), &option, &with(""), true);
    }
}

#[test]
fn every_rule_of_files_has_a_pair() {
    let file = |path: &'static str, package: &str, body: &str| {
        (path, format!("syntax = \"proto3\"; package {package};\n{body}\n"))
    };
    let a = file("a.proto", "p", "message A {}");
    let b = file("b.proto", "p", "message B {}");
    verdict("FILE_NO_DELETE", &[a.clone(), b.clone()], from_ref(&a), true);
    verdict("FILE_NO_DELETE, back", from_ref(&a), &[a.clone(), b.clone()], false);
    verdict("FILE_SAME_PACKAGE", from_ref(&a), &[file("a.proto", "q", "message A {}")], true);
    verdict("FILE_SAME_SYNTAX", from_ref(&a), &[("a.proto", a.1.replace("proto3", "proto2"))], true);
    let both = file("a.proto", "p", "message A {} message B {}");
    let none = file("b.proto", "p", "");
    verdict("MESSAGE_NO_DELETE, moved to another file", &[a, b], &[both, none], true);
}
