//! Uploads as they come: known without being told, and the documents of the public corpora as their score card says.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::readers::{WARNINGS_MAX, graphql, openapi};

fn tar(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, text) in files {
        add(&mut archive, path, text.as_bytes());
    }
    archive.into_inner().unwrap()
}

fn add(archive: &mut tar::Builder<Vec<u8>>, path: &str, bytes: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, path, bytes).unwrap();
}

/// The format that a text is taken for under a name; the refusal's code where it is none.
fn format(text: &str, filename: Option<&str>) -> String {
    read(text.as_bytes(), Hint { filename, ..Hint::default() })
        .map_or_else(|refused| refused.code.to_owned(), |document| document.format)
}

const OPENAPI: &str = "openapi: 3.1.0\ninfo: {title: t, version: '1'}\npaths: {}\n";
const GRAPHQL: &str = "type Query { a: Int }";
const PROTO: &str = "/* A\n licence */\n// syntax\nsyntax = \"proto3\";\npackage shop.v1;\nimport \"gone.proto\";\nmessage A { gone.B b = 1; }\nservice S { rpc Get(A) returns (A); }\n";

#[test]
fn a_document_is_known_by_its_ending_or_else_by_how_it_begins() {
    for (text, expected) in [
        (OPENAPI, "openapi"),
        (GRAPHQL, "graphql"),
        (PROTO, "protobuf"),
        ("syntax = 'proto2';", "protobuf"),
        ("edition = \"2023\";", "protobuf"),
        ("package a.b;", "protobuf"),
        ("// No syntax\nmessage A {}", "protobuf"),
        ("import public \"a.proto\";", "protobuf"),
        ("option java_package = \"a\";", "protobuf"),
        ("option (a.b) = 1;", "protobuf"),
        ("enum E { A = 0; }", "protobuf"),
        ("enum E { A }", "graphql"),
        ("service S {}", "protobuf"),
        // Words of the language that are keys of YAML.
        ("message: A", "format"),
        ("syntax: proto3", "format"),
        ("import: [a]", "format"),
        ("<definitions/>", "format"),
        ("#%RAML 1.0", "format"),
    ] {
        assert_eq!(format(text, None), expected, "{text}");
        assert_eq!(format(text, Some("document.2026-01")), expected, "an ending that says nothing: {text}");
    }
    // The ending goes before how it begins, and what the sender says before both.
    assert_eq!(format(PROTO, Some("a/b/shop.PROTO")), "protobuf");
    assert_eq!(format(PROTO, Some("shop.yaml")), "format");
    assert_eq!(format(OPENAPI, Some("api.proto")), "syntax");
    assert_eq!(format(OPENAPI, Some("api.wsdl")), "format");
    for (text, name, format) in
        [(PROTO, "shop.txt", "Protobuf"), (GRAPHQL, "a.json", "GRAPHQL"), (OPENAPI, "a.gql", "openapi")]
    {
        let read = read(text.as_bytes(), Hint { format: Some(format), filename: Some(name), root: None }).unwrap();
        assert_eq!(read.format, format.to_lowercase());
    }
    for hint in [Hint { format: Some("avro"), ..Hint::default() }, Hint { filename: Some("a.raml"), ..Hint::default() }]
    {
        let refused = read(OPENAPI.as_bytes(), hint).unwrap_err();
        assert!(refused.is_unsupported());
        for what in [graphql::READ, protobuf::READ, openapi::READ] {
            assert!(refused.message.contains(what), "{refused}");
        }
    }
}

#[test]
fn methods_are_listed_with_their_bindings_and_told_under_one_number() {
    let text = r#"syntax = "proto3";
package shop.v1;
import "google/api/annotations.proto";
message Order { string name = 1; }
service Orders {
  // Gets one.
  rpc Get(Order) returns (Order) {
    option (google.api.http) = { get: "/v1/{name=orders/*}" additional_bindings { get: "/v1/{name=**}" } };
  }
  rpc Watch(Order) returns (stream Order) { option deprecated = true; }
}"#;
    let document = read(text.as_bytes(), Hint::default()).unwrap();
    assert_eq!(
        (&*document.format, &*document.format_version, document.syntax),
        ("protobuf", "proto3", Syntax::Protobuf)
    );
    assert_eq!((&*document.title, &*document.api_version, &*document.root), ("shop.v1", "v1", "document"));
    assert_eq!(document.warnings, []);
    let binding = Binding { method: "GET".into(), path: "/v1/orders/{name}".into() };
    let operation = |name: &str, bindings, summary: &str, deprecated, line| Operation {
        id: format!("shop.v1.Orders/{name}"),
        method: "POST".into(),
        path: format!("/shop.v1.Orders/{name}"),
        bindings,
        summary: summary.into(),
        deprecated,
        line,
    };
    let expected = [operation("Get", vec![binding], "Gets one.", false, 7), operation("Watch", vec![], "", true, 10)];
    assert_eq!(document.operations, expected);
    let routes: Vec<String> = crate::domain::routes::parts(&document.operations)
        .concat()
        .iter()
        .map(|route| format!("{} {} {} {} {}", route.n, route.method, route.path, route.operation, route.deprecated))
        .collect();
    assert_eq!(
        routes,
        [
            "0 POST /shop.v1.Orders/Get shop.v1.Orders/Get false",
            "0 GET /v1/orders/{name} shop.v1.Orders/Get false",
            "1 POST /shop.v1.Orders/Watch shop.v1.Orders/Watch true",
        ]
    );
    let without = read(b"syntax = \"proto3\";\nmessage A {}", Hint::default()).unwrap();
    assert_eq!((without.operations.len(), without.surface.types.len()), (0, 1), "a file without services is fine");
}

#[test]
fn bindings_that_would_not_fit_are_left_out_with_a_warning() {
    let rule = |n: usize| format!("additional_bindings {{ get: \"/v1/{}/{n}\" }}", "long".repeat(50));
    let rules: String = (0..80).map(rule).collect::<Vec<_>>().join(" ");
    let text = format!(
        "syntax = \"proto3\";\nimport \"google/api/annotations.proto\";\nmessage A {{}}\nservice S {{\nrpc Get(A) returns (A) {{ option (google.api.http) = {{ get: \"/v1\" {rules} }}; }}\n}}"
    );
    let document = read(text.as_bytes(), Hint::default()).unwrap();
    let warnings: Vec<(&str, u32)> = document.warnings.iter().map(|warning| (&*warning.code, warning.line)).collect();
    assert_eq!(warnings, [("routes-left-out", 5)]);
    let bindings = &document.operations[0].bindings;
    // 4,000 bytes, of which each takes 253 and the first one 46.
    assert_eq!((bindings.len(), &*bindings[0].path), (16, "/v1"));
}

#[test]
fn an_archive_is_about_its_root_or_all_files_of_a_format_without_one() {
    let more =
        "syntax = \"proto3\";\npackage shop.v1;\nimport \"shop.proto\";\nservice More { rpc Get(A) returns (A); }\n";
    let files = [("api/shop.proto", PROTO), ("api/more.proto", more), ("README.md", "# Me")];
    let whole = read(&tar(&files), Hint::default()).unwrap();
    let ids = |document: &Document| document.operations.iter().map(|one| one.id.clone()).collect::<Vec<_>>();
    assert_eq!((&*whole.format, &*whole.root, whole.syntax), ("protobuf", "", Syntax::Tar));
    assert_eq!(ids(&whole), ["shop.v1.More/Get", "shop.v1.S/Get"]);
    let codes: Vec<(&str, &str, u32)> = whole.warnings.iter().map(|one| (&*one.code, &*one.file, one.line)).collect();
    assert_eq!(codes, [("unresolved-import", "api/shop.proto", 6), ("unresolved-type", "api/shop.proto", 7)]);
    let one = read(&tar(&files), Hint { root: Some("api/more.proto"), ..Hint::default() }).unwrap();
    assert_eq!((ids(&one), &*one.root), (vec!["shop.v1.More/Get".to_owned()], "api/more.proto"));
    let refused = read(&tar(&files), Hint { root: Some("gone.proto"), ..Hint::default() }).unwrap_err();
    assert_eq!(refused.code, "no-file");
    // A document that says what it is goes before files that only have an ending; two kinds of those are asked about.
    let with = |path, text| tar(&[files[0], (path, text)]);
    assert_eq!(read(&with("api.yaml", OPENAPI), Hint::default()).unwrap().format, "openapi");
    let hint = Hint { format: Some("protobuf"), ..Hint::default() };
    assert_eq!(read(&with("api.yaml", OPENAPI), hint).unwrap().format, "protobuf");
    let both = with("schema.graphql", GRAPHQL);
    let refused = read(&both, Hint::default()).unwrap_err();
    assert!(refused.code == "root" && refused.message.contains("`format`"), "{refused}");
    assert!(refused.message.ends_with("graphql, protobuf."), "{refused}");
    assert_eq!(read(&both, hint).unwrap().format, "protobuf");
    assert_eq!(read(&both, Hint { root: Some("schema.graphql"), ..Hint::default() }).unwrap().format, "graphql");
}

fn corpus() -> Option<PathBuf> {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpus"));
    if path.is_dir() {
        Some(path.to_owned())
    } else {
        eprintln!("skipped: {} is absent", path.display());
        None
    }
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// A document of the corpus as it would be sent: alone, or with its files in an archive and then with the path of the one that it is about.
fn sent(corpus: &Path, entry: &Value) -> (Vec<u8>, Option<String>) {
    let (id, main) = (entry["id"].as_str().unwrap(), entry["main"].as_str().unwrap());
    let files: Vec<&str> = entry["files"].as_array().unwrap().iter().map(|file| file.as_str().unwrap()).collect();
    if files.len() == 1 {
        return (openapi::unpacked(&corpus.join(main)), None);
    }
    let inner = |path: &str| path.split_once(&format!("{id}/")).unwrap().1.to_owned();
    let mut archive = tar::Builder::new(Vec::new());
    for file in files {
        add(&mut archive, &inner(file), &std::fs::read(corpus.join(file)).unwrap());
    }
    (archive.into_inner().unwrap(), Some(inner(main)))
}

/// What the score card says of a reading.
fn judge(scoring: &Value, entry: &Value, read: &Result<Document, Refused>) {
    let id = entry["id"].as_str().unwrap();
    let listed = |what: &str| scoring["documents"][what].get(id).is_some();
    match read {
        Ok(document) if listed("either") => assert!(!document.warnings.is_empty(), "{id}: read without a warning"),
        Err(refused) if listed("either") => assert!(!refused.message.is_empty()),
        Ok(_) => assert!(listed("read") || entry.get("malformed").is_none(), "{id} was read"),
        Err(refused) => assert!(entry["malformed"] == true && !listed("read"), "{id}: {refused}"),
    }
}

/// Counted by Python's `json` and by `PyYAML`, the method keys of every path.
const COUNTED: [(&str, usize); 23] = [
    ("box-openapi-openapi-820d91", 296),
    ("intercom-openapi-descriptions-2-11-api-intercom-io-f1c13a", 108),
    ("oas-examples-3-0-json-circular-paths-6c1e2d", 3),
    ("oas-examples-3-0-json-response-multiple-mediatypes-54a16b", 4),
    ("oas-examples-3-0-json-security-6069f5", 15),
    ("omicron-openapi-dns-server-dns-server-2-0-0-75e4cc-31825d", 2),
    ("openapi-generated-api-github-com-36d62a", 1_223),
    ("openapi-openapi-spec3-91edb8", 417),
    ("paypal-rest-api-specifications-openapi-checkout-orders-v2-a4e4f6", 8),
    ("test-resources-io-github-microcks-util-openapi-cars-openapi-spacesops-a92dc5", 3),
    ("twilio-oai-spec-json-twilio-api-v2010-3e2b98", 197),
    ("twilio-oai-spec-yaml-twilio-verify-v2-7faff4", 57),
    ("xero-openapi-xero-projects-a47fbf", 16),
    ("adyen-openapi-json-checkoutservice-v71-e7b3d4", 28),
    ("adyen-openapi-json-managementservice-v3-339235", 134),
    ("adyen-openapi-yaml-payoutservice-v68-459d3a", 6),
    ("agger-parser-modules-swagger-parser-v3-src-test-resources-3-1-0-oas3-1-1fa229", 3),
    ("discord-api-spec-specs-openapi-8e8962", 242),
    ("libopenapi-generator-golang-testdata-name-collisions-4c0e2a", 0),
    ("libopenapi-test-specs-all-the-components-d1660d", 5),
    ("oas-examples-3-1-json-train-travel-a648a8", 7),
    ("openai-openapi-openapi-c701c3", 288),
    ("parser-v3-src-test-resources-3-1-0-dereference-full-dereferencedfully-6c4f58", 6),
];

fn documents_of(family: &str) {
    let Some(corpus) = corpus() else { return };
    let (index, scoring) = (json(&corpus.join("index.json")), json(&corpus.join("scoring.json")));
    let mut judged = 0;
    for entry in index.as_array().unwrap().iter().filter(|entry| entry["format"] == family) {
        let id = entry["id"].as_str().unwrap();
        let (bytes, root) = sent(&corpus, entry);
        let filename = Some(entry["main"].as_str().unwrap().trim_end_matches(".gz")).filter(|_| root.is_none());
        let named = read(&bytes, Hint { filename, root: root.as_deref(), format: None });
        judge(&scoring, entry, &named);
        // Without a name: known by how it begins, or, of several files, all that are of the family.
        let nameless = read(&bytes, Hint::default());
        judge(&scoring, entry, &nameless);
        if let (Ok(named), Ok(nameless)) = (&named, &nameless) {
            assert_eq!((&*named.format, &*nameless.format), (family, family), "{id}");
            assert!(root.is_some() || named.surface.digest == nameless.surface.digest, "{id}: a name is no meaning");
            assert!(named.warnings.len() <= WARNINGS_MAX + 1);
        }
        match (&named, COUNTED.iter().find(|(counted, _)| *counted == id)) {
            (Ok(document), Some((_, operations))) => {
                assert_eq!(document.operations.len(), *operations, "{id}");
                judged += 1;
            }
            (Err(error), Some(_)) => panic!("{id}: {error}"),
            (Err(error), None) => println!("{id}: {error} (line {:?}, column {:?})", error.line, error.column),
            (Ok(document), None) => println!("{id}: read, {:?}", document.warnings),
        }
    }
    assert_eq!(judged, if family == "openapi" { COUNTED.len() } else { 0 });
}

#[test]
fn every_openapi_document_of_the_corpus_is_judged_as_its_score_card_says() {
    documents_of("openapi");
}

#[test]
fn every_graphql_document_of_the_corpus_is_judged_as_its_score_card_says() {
    documents_of("graphql");
}

#[test]
fn every_protobuf_document_of_the_corpus_is_judged_as_its_score_card_says() {
    documents_of("protobuf");
}

proptest! {
    #[test]
    fn no_bytes_make_an_upload_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), format in prop_oneof![Just(None), Just(Some("graphql")), Just(Some("protobuf")), Just(Some("openapi"))]) {
        let _ = read(&bytes, Hint { format, ..Hint::default() });
        let _ = read(&[b"message A {", &*bytes].concat(), Hint::default());
    }
}
