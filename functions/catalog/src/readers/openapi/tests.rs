#![allow(clippy::format_collect)] // Small texts of tests.

use std::io::Read as _;
use std::path::Path;

use proptest::prelude::*;

use crate::domain::Operation;
use crate::readers::tree::{self, NodeId, Tree};
use crate::readers::{OPERATIONS_MAX, Refused, UPLOAD_BYTES_MAX};
use crate::upload::{Document, Hint, Syntax, read};

#[path = "../../../tests/api/generated.rs"]
mod generated;

fn yaml(text: &str) -> Result<Document, Refused> {
    read(text.as_bytes(), Hint { filename: Some("api.yaml"), ..Hint::default() })
}

fn auto(text: &str) -> Result<Document, Refused> {
    read(text.as_bytes(), Hint::default())
}

fn refusal(text: &str) -> (&'static str, Option<u32>, Option<u32>) {
    let error = auto(text).expect_err("refused");
    (error.code, error.line, error.column)
}

const SMALL: &str = "openapi: 3.1.0
info: {title: Weather, version: 1.0.0}
paths:
  /now/{city}:
    parameters: []
    get:
      operationId: now
      summary: The weather now
      description: |
        As it is.
      tags: [weather, now]
    delete:
      deprecated: true
  x-none: {get: {}}
";

#[test]
fn operations_carry_their_line_and_their_words() {
    let document = auto(SMALL).unwrap();
    assert_eq!((document.format.as_str(), document.format_version.as_str()), ("openapi", "3.1.0"));
    assert_eq!((document.title.as_str(), document.api_version.as_str()), ("Weather", "1.0.0"));
    assert_eq!(document.warnings, []);
    assert_eq!(
        document.operations,
        [
            Operation {
                id: "now".into(),
                method: "GET".into(),
                path: "/now/{city}".into(),
                bindings: vec![],
                summary: "The weather now".into(),
                deprecated: false,
                line: 6,
            },
            Operation {
                id: "DELETE /now/{city}".into(),
                method: "DELETE".into(),
                path: "/now/{city}".into(),
                bindings: vec![],
                summary: String::new(),
                deprecated: true,
                line: 12,
            },
        ]
    );
}

#[test]
fn bom_and_crlf_change_nothing() {
    let windows = format!("\u{feff}{}", SMALL.replace('\n', "\r\n"));
    assert_eq!(auto(&windows).unwrap().operations, auto(SMALL).unwrap().operations);
    let json = generated::document(5);
    let windows = format!("\u{feff}{}", json.replace('\n', "\r\n"));
    assert_eq!(auto(&windows).unwrap(), auto(&json).unwrap());
}

#[test]
fn json_is_judged_as_json_with_line_and_column() {
    let start = "{\"openapi\":\"3.0.3\",\n \"paths\":{}";
    assert_eq!(refusal(&format!("{start},\n}}")), ("syntax", Some(3), Some(1)));
    assert_eq!(refusal(&format!("{start} // why\n}}")), ("syntax", Some(2), Some(13)));
    assert_eq!(refusal(start), ("truncated", Some(2), Some(12)));
    assert_eq!(refusal("{'openapi':\"3.0.3\"}"), ("syntax", Some(1), Some(2)));
    assert_eq!(refusal("{\"a\":01}"), ("syntax", Some(1), Some(7)));
    assert_eq!(refusal("{\"a\":+1}"), ("syntax", Some(1), Some(6)));
    assert_eq!(refusal("{\"a\":.5}"), ("syntax", Some(1), Some(6)));
    assert_eq!(refusal("{\"a\":NaN}"), ("syntax", Some(1), Some(6)));
    assert_eq!(refusal("{\"é\":\"a\nb\"}"), ("syntax", Some(1), Some(8)));
    assert_eq!(refusal("{\"a\":\"\\x\"}"), ("syntax", Some(1), Some(8)));
    assert_eq!(refusal("{\"a\":\"\\ud800\"}"), ("syntax", Some(1), Some(13)));
    assert_eq!(refusal("{} {}"), ("syntax", Some(1), Some(4)));
    // The same bytes named as YAML are flow YAML, in which a trailing comma is right.
    assert!(yaml(&format!("{start},\n}}")).is_ok());
}

#[test]
fn duplicate_keys_are_refused_where_the_second_stands() {
    assert_eq!(refusal("{\"openapi\":\"3.0.3\",\n\"paths\":{},\n\"paths\":{}}"), ("duplicate-key", Some(3), Some(1)));
    assert_eq!(refusal("openapi: 3.0.3\npaths:\n  /a: {}\n  '/a': {}\n"), ("duplicate-key", Some(4), Some(3)));
    let many: String = (0..40).map(|n| format!("\"k{n}\":{n},\n")).collect();
    assert_eq!(refusal(&format!("{{{many}\"k7\":0}}")), ("duplicate-key", Some(41), Some(1)));
}

#[test]
fn versions_that_are_not_read_say_which_are() {
    for (text, shown) in [
        ("openapi: 4.0.0\npaths: {}", "4.0.0"),
        ("openapi: '3.0'\npaths: {}", "3.0"),
        ("openapi: 3.1\npaths: {}", "3.1"),
        ("{\"openapi\": 3.0, \"paths\": {}}", "3.0"),
        ("openapi: 3.0.x\npaths: {}", "3.0.x"),
        ("swagger: '1.2'\npaths: {}", "1.2"),
        ("asyncapi: 2.0.0\nchannels: {}", "AsyncAPI"),
        ("#%RAML 1.0\ntitle: t", "RAML"),
        ("<?xml version=\"1.0\"?><definitions/>", "XML"),
        ("title: t", "`openapi`"),
        ("[1]", "a list"),
        ("just words", "a string"),
    ] {
        let error = auto(text).expect_err(text);
        assert!(error.is_unsupported(), "{text}: {error:?}");
        assert!(error.message.contains(shown), "{text}: {error}");
        assert!(error.message.contains("OpenAPI 2.0, 3.0.x, 3.1.x and 3.2.x are read"), "{text}: {error}");
    }
    let error = read(SMALL.as_bytes(), Hint { format: Some("avro"), ..Hint::default() }).expect_err("refused");
    assert!(error.is_unsupported());
    for version in ["3.0.0", "3.0.4", "3.1.2", "3.1.0-rc1"] {
        assert!(auto(&format!("openapi: {version}\npaths: {{}}")).is_ok(), "{version}");
    }
}

#[test]
fn an_id_that_is_missing_or_used_twice_is_derived() {
    let document = auto(
        "openapi: 3.0.0\ninfo: {title: t, version: '1'}\npaths:\n  /a:\n    get: {operationId: same}\n    put: {}\n  /b:\n    get: {operationId: same}\n    put: {operationId: 'PUT /a'}\n    post: {operationId: 7}\n",
    )
    .unwrap();
    let ids: Vec<&str> = document.operations.iter().map(|operation| operation.id.as_str()).collect();
    assert_eq!(ids, ["GET /a", "PUT /a", "GET /b", "PUT /b", "7"]);
    let warned: Vec<(&str, u32, &str)> =
        document.warnings.iter().map(|w| (w.code.as_str(), w.line, w.pointer.as_str())).collect();
    assert_eq!(
        warned,
        [
            ("duplicate-operation-id", 5, "/paths/~1a/get"),
            ("duplicate-operation-id", 8, "/paths/~1b/get"),
            ("duplicate-operation-id", 9, "/paths/~1b/put"),
        ]
    );
}

#[test]
fn path_items_are_followed_inside_the_document_only() {
    let document = auto(
        "openapi: 3.1.0\ninfo: {title: t, version: '1'}\npaths:\n  /a: {$ref: '#/components/pathItems/shared'}\n  /b: {$ref: '#/paths/~1c', post: {operationId: own}}\n  /c:\n    get: {operationId: c}\n  /d: {$ref: 'http://example.com/a'}\n  /e: {$ref: '#/nowhere'}\ncomponents:\n  pathItems:\n    shared:\n      patch: {operationId: s}\n",
    )
    .unwrap();
    let found: Vec<(&str, &str, &str, u32)> =
        document.operations.iter().map(|o| (o.id.as_str(), o.method.as_str(), o.path.as_str(), o.line)).collect();
    assert_eq!(
        found,
        [("s", "PATCH", "/a", 13), ("own", "POST", "/b", 5), ("GET /b", "GET", "/b", 7), ("GET /c", "GET", "/c", 7)]
    );
    let warned: Vec<(&str, u32, &str)> =
        document.warnings.iter().map(|w| (w.code.as_str(), w.line, w.pointer.as_str())).collect();
    assert_eq!(
        warned,
        [
            ("remote-ref", 8, "/paths/~1d"),
            ("dangling-ref", 9, "/paths/~1e"),
            ("duplicate-operation-id", 7, "/paths/~1c/get"),
            ("duplicate-operation-id", 7, "/paths/~1c/get"),
        ]
    );
}

#[test]
fn what_looks_like_a_reference_in_data_is_data() {
    let document = auto(
        "openapi: 3.1.0\ninfo: {title: t, version: '1'}\ncomponents:\n  schemas:\n    default: {$ref: '#/components/schemas/gone'}\n    a:\n      properties: {$ref: {type: string}}\n      example: {$ref: '#/x'}\n      default: {$ref: '#/x'}\n      x-a: {$ref: '#/x'}\n    b: {$anchor: here}\n    c: {$ref: '#here'}\n",
    )
    .unwrap();
    let warned: Vec<(&str, u32, &str)> =
        document.warnings.iter().map(|w| (w.code.as_str(), w.line, w.pointer.as_str())).collect();
    assert_eq!(warned, [("dangling-ref", 5, "/components/schemas/default")]);
}

#[test]
fn a_long_text_aliased_as_many_anchors_is_not_read_each_time() {
    let schemas: String = (0..50_000).map(|n| format!("    s{n}: {{$anchor: *long}}\n")).collect();
    let long = "a".repeat(1_000_000);
    let text = format!(
        "openapi: 3.1.0\ninfo: {{title: t, version: '1'}}\nx-a: &long {long}\ncomponents:\n  schemas:\n{schemas}"
    );
    let started = std::time::Instant::now();
    assert_eq!(auto(&text).unwrap().warnings, []);
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

#[test]
fn a_path_with_control_characters_is_left_out() {
    let document = auto(
        "openapi: 3.0.0\ninfo: {title: t, version: '1'}\npaths:\n  /a: {get: {}}\n  \"/b\\u0001\\n\\x7fc\": {get: {}}\n",
    )
    .unwrap();
    assert_eq!(document.operations.iter().map(|o| o.path.as_str()).collect::<Vec<_>>(), ["/a"]);
    let warned: Vec<(&str, u32)> = document.warnings.iter().map(|w| (w.code.as_str(), w.line)).collect();
    assert_eq!(warned, [("path", 5)]);
}

#[test]
fn circles_end() {
    assert_eq!(
        refusal("openapi: 3.1.0\ncomponents:\n  schemas:\n    A: {$ref: '#/components/schemas/B'}\n    B: {$ref: '#/components/schemas/A'}\n").0,
        "ref-loop"
    );
    assert_eq!(refusal("openapi: 3.0.0\npaths:\n  /a: {$ref: '#/paths/~1a'}\n").0, "ref-loop");
    // In an extension no one looks for circles, and yet no one runs in one.
    let document = auto("openapi: 3.0.0\ninfo: {title: t, version: '1'}\npaths:\n  /a: {$ref: '#/x-a'}\nx-a: {$ref: '#/x-a', get: {}}\n").unwrap();
    assert_eq!((document.operations.len(), document.warnings[0].code.as_str()), (1, "ref-chain"));
    // A type that holds itself is a tree in the making, not a circle.
    assert!(
        auto("openapi: 3.1.0\ncomponents: {schemas: {A: {properties: {a: {$ref: '#/components/schemas/A'}}}}}").is_ok()
    );
    assert_eq!(refusal("openapi: 3.0.0\npaths: {}\nx-a: &a [*a]\n").0, "alias");
}

#[test]
fn yaml_keeps_to_what_json_can_say() {
    assert_eq!(refusal("openapi: 3.0.0\npaths: {}\n---\na: b\n"), ("more-documents", Some(3), Some(1)));
    assert_eq!(refusal("openapi: 3.0.0\npaths: {}\n? [a]\n: b\n").0, "key");
    assert_eq!(refusal("openapi: 3.0.0\npaths: {}\n~: b\n").0, "key");
    assert_eq!(refusal("openapi: 3.0.0\npaths: {}\nx: *gone\n").0, "syntax");
    assert_eq!(refusal("openapi: 3.0.0\npaths:\n\t/a: {}\n").0, "syntax");
    let key =
        |length: usize| format!("openapi: 3.0.0\npaths: {{}}\nx: &long {}\ny: {{*long : 1}}\n", "k".repeat(length));
    assert!(auto(&key(1_000)).is_ok());
    assert_eq!(refusal(&key(1_001)), ("key", Some(4), Some(5)));
    let document = auto("openapi: &v 3.0.0\ninfo: {title: yes, version: *v}\npaths:\n  /a: &item\n    get: {responses: {200: {}}}\n  /b: *item\n").unwrap();
    assert_eq!((document.title.as_str(), document.api_version.as_str()), ("yes", "3.0.0"));
    assert_eq!(document.operations.iter().map(|o| o.id.as_str()).collect::<Vec<_>>(), ["GET /a", "GET /b"]);
}

#[test]
fn parts_of_the_wrong_kind_are_named() {
    for (text, code, line) in [
        ("openapi: 3.0.0\npaths: []\n", "paths", 2),
        ("openapi: 3.0.0\npaths:\n  /a: 7\n", "path-item", 3),
        ("openapi: 3.0.0\npaths:\n  /a:\n    get: []\n", "operation", 4),
        ("openapi: 3.0.0\ninfo: t\npaths: {}\n", "info", 2),
    ] {
        let error = auto(text).expect_err(text);
        assert_eq!((error.code, error.line), (code, Some(line)), "{text}");
    }
    assert_eq!(refusal("openapi: 3.0.0\ninfo: {}\n").0, "no-paths");
    assert_eq!(refusal("openapi: 3.1.0\ninfo: {}\n").0, "no-paths");
    assert_eq!(refusal(" \n").0, "empty");
    assert_eq!(refusal("# nothing\n").0, "empty");
}

#[test]
fn limits_are_refusals() {
    let deep = |levels: usize| {
        format!("{{\"openapi\":\"3.0.0\",\"paths\":{{}},\"x\":{}{}}}", "[".repeat(levels), "]".repeat(levels))
    };
    assert!(auto(&deep(199)).is_ok());
    assert_eq!(refusal(&deep(200)).0, "too-deep");
    let deep = |levels: usize| format!("openapi: 3.0.0\npaths: {{}}\nx:\n{}x\n", "- ".repeat(levels));
    assert!(auto(&deep(199)).is_ok());
    assert_eq!(refusal(&deep(200)).0, "too-deep");
    assert_eq!(auto(&generated::document(OPERATIONS_MAX)).unwrap().operations.len(), OPERATIONS_MAX);
    assert_eq!(refusal(&generated::document(OPERATIONS_MAX + 1)).0, "too-many-operations");
    assert_eq!(read(&vec![b' '; UPLOAD_BYTES_MAX + 1], Hint::default()).expect_err("refused").code, "too-large");
    assert_eq!(refusal(&format!("[{}1]", "1,".repeat(tree::NODES_MAX))).0, "too-many-values");
    let dangling: String = (0..300).map(|n| format!("    a{n}: {{$ref: '#/gone/{n}'}}\n")).collect();
    let warnings =
        auto(&format!("openapi: 3.1.0\ninfo: {{title: t, version: '1'}}\ncomponents:\n  schemas:\n{dangling}"))
            .unwrap()
            .warnings;
    assert_eq!((warnings.len(), warnings[100].message.as_str()), (101, "There are 200 more warnings."));
}

#[test]
fn a_generated_document_has_what_its_generator_says() {
    let document = auto(&generated::document(1_000)).unwrap();
    assert_eq!((document.operations.len(), document.warnings.len()), (1_000, 0));
    let last = document.operations.last().unwrap();
    assert_eq!(
        (last.id.as_str(), last.method.as_str(), last.path.as_str()),
        ("delete_999", "DELETE", "/resource-249/{id}")
    );
    assert_eq!(last.summary, "Remove thing 999");
    assert_eq!(document.operations.iter().filter(|operation| operation.deprecated).count(), 100);
    let json = generated::document(1_000);
    for operation in &document.operations {
        let line = json.lines().nth(operation.line as usize - 1).unwrap();
        assert!(line.starts_with(&format!("\"{}\":", operation.method.to_lowercase())), "{line}");
    }
}

pub(crate) fn unpacked(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap();
    if path.extension().is_none_or(|ending| ending != "gz") {
        return bytes;
    }
    let mut whole = Vec::new();
    flate2::read::GzDecoder::new(&*bytes).read_to_end(&mut whole).unwrap();
    whole
}

/// Text that is often nearly a document.
fn nearly() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("{"),
        Just("}"),
        Just("["),
        Just("]"),
        Just(":"),
        Just(","),
        Just("\""),
        Just("'"),
        Just("\n"),
        Just("  "),
        Just("\t"),
        Just("- "),
        Just("? "),
        Just("&a "),
        Just("*a"),
        Just("!!str "),
        Just("!<x> "),
        Just("|\n"),
        Just(">-\n "),
        Just("#"),
        Just("---\n"),
        Just("...\n"),
        Just("%TAG ! a\n"),
        Just("openapi: 3.0.3\n"),
        Just("\"openapi\":\"3.1.0\""),
        Just("paths:\n"),
        Just("\"paths\":"),
        Just("/a: "),
        Just("get: "),
        Just("$ref: '#/paths/~1a'"),
        Just("\\u00e9"),
        Just("\u{feff}"),
        Just("é"),
        Just("\r\n"),
        Just("0"),
        Just("-1e5"),
        Just("null"),
        Just("\0"),
    ];
    prop_oneof![proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat()), any::<String>()]
}

/// Any JSON value without floats that print differently.
fn value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into)
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            proptest::collection::hash_map(any::<String>(), inner, 0..20)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

fn same(tree: &Tree<'_>, id: NodeId, value: &serde_json::Value) -> bool {
    use serde_json::Value;
    match (tree.kind(id), value) {
        (tree::Kind::Null, Value::Null) => true,
        (tree::Kind::Bool(ours), Value::Bool(theirs)) => ours == *theirs,
        (tree::Kind::Number(ours), Value::Number(theirs)) => ours.parse::<f64>().ok() == theirs.as_f64(),
        (tree::Kind::String(ours), Value::String(theirs)) => ours == theirs,
        (tree::Kind::List(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| same(tree, *ours, theirs))
        }
        (tree::Kind::Map(ours), Value::Object(theirs)) => {
            ours.iter().count() == theirs.len()
                && ours.iter().all(|entry| theirs.get(entry.key).is_some_and(|theirs| same(tree, entry.value, theirs)))
        }
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes, Hint::default());
        let _ = read(&bytes, Hint { filename: Some("a.yaml"), ..Hint::default() });
    }

    #[test]
    fn no_text_makes_it_panic(text in nearly()) {
        let _ = auto(&text);
        let _ = yaml(&text);
    }

    #[test]
    fn no_damage_makes_it_panic(at in any::<proptest::sample::Index>(), cut in 0_usize..40, with in nearly()) {
        for base in [SMALL.to_owned(), generated::document(6)] {
            let mut bytes = base.into_bytes();
            let at = at.index(bytes.len());
            let end = (at + cut).min(bytes.len());
            bytes.splice(at..end, with.bytes());
            let _ = read(&bytes, Hint::default());
        }
    }

    #[test]
    fn what_serde_json_says_is_json_is_json(value in value()) {
        let text = serde_json::to_string_pretty(&value).unwrap();
        let (tree, root) = tree::read(&text, Syntax::Json).unwrap();
        prop_assert!(same(&tree, root, &value), "{text}");
    }

    #[test]
    fn what_serde_json_refuses_is_refused(text in nearly()) {
        let theirs = serde_json::from_str::<serde_json::Value>(&text);
        match (tree::read(&text, Syntax::Json), theirs) {
            (Ok((tree, root)), Ok(theirs)) => prop_assert!(same(&tree, root, &theirs)),
            (Err(ours), Ok(_)) => prop_assert_eq!(ours.code, "duplicate-key"),
            // The one thing that serde_json refuses and RFC 8259 does not: a number beyond what a double holds.
            (Ok(_), Err(theirs)) => prop_assert!(theirs.to_string().contains("out of range"), "{}", theirs),
            (Err(_), Err(_)) => {}
        }
    }

    #[test]
    fn json_read_as_yaml_has_the_same_operations(operations in 0_usize..40) {
        let text = generated::document(operations);
        let (as_yaml, as_json) = (yaml(&text).unwrap(), auto(&text).unwrap());
        prop_assert_eq!((as_yaml.syntax, as_json.syntax), (Syntax::Yaml, Syntax::Json));
        prop_assert_eq!(as_yaml.operations, as_json.operations);
    }
}
