use proptest::collection::vec;
use proptest::prelude::*;
use shared::surface::{ElementId, Name, OperationKind, Presence, Record, ScalarKind, Shape, Surface, Type};

use super::read;
use crate::readers::{Files, Refused, Warning};

/// What is read of some files, of which all are roots.
fn reading(files: &[(&str, &str)]) -> Result<(Surface, Vec<Warning>), Refused> {
    let mut upload = Files::default();
    for (path, text) in files {
        upload.add(path, text.as_bytes().to_vec());
    }
    let roots: Vec<&str> = upload.paths().collect();
    read(&upload, &roots).map(|(surface, warnings)| (surface, warnings.finish()))
}

fn surface(text: &str) -> Surface {
    let (surface, warnings) = reading(&[("a.proto", text)]).unwrap();
    assert_eq!(warnings, []);
    surface
}

#[test]
fn files_and_services_have_places_that_no_digest_has() {
    let text = "syntax = \"proto3\"; package p; option go_package = \"g\"; service S {}";
    let (one, _) = reading(&[("a.proto", text)]).unwrap();
    let (other, _) = reading(&[("b.proto", text)]).unwrap();
    let told = |surface: &Surface, key: &str| {
        let found = surface.facets.iter().find(|(_, facets)| facets.iter().any(|facet| &*facet.key == key));
        let element = *found.unwrap().0;
        let file = surface.position(element).unwrap().file as usize;
        (surface.files[file].0.to_string(), surface.facet(element, key).unwrap().value())
    };
    assert_eq!(told(&one, "protobuf.service"), ("a.proto".to_owned(), "p.S".into()));
    let (path, source) = told(&other, "protobuf.source");
    assert_eq!((path.as_str(), &source["package"]), ("b.proto", &"p".into()));
    assert_eq!(one.digest, other.digest);
}

/// Code and line of each warning.
fn warned(text: &str) -> Vec<(String, u32)> {
    let (_, warnings) = reading(&[("a.proto", text)]).unwrap();
    warnings.into_iter().map(|warning| (warning.code, warning.line)).collect()
}

fn refused(text: &str) -> (&'static str, Option<u32>) {
    let refused = reading(&[("a.proto", text)]).unwrap_err();
    (refused.code, refused.line)
}

fn ty<'s>(surface: &'s Surface, name: &str) -> &'s Type {
    surface.types.iter().find(|ty| ty.name == Name::Nominal(name.into())).unwrap_or_else(|| panic!("no {name}"))
}

fn record<'s>(surface: &'s Surface, name: &str) -> &'s Record {
    let Shape::Record(record) = &ty(surface, name).shape else { panic!("{name} is no record") };
    record
}

fn facet(surface: &Surface, element: ElementId, key: &str) -> String {
    surface.facet(element, key).map_or_else(String::new, |json| json.text().to_owned())
}

/// Each field of a message: name, presence, number, encoding, default.
fn fields(surface: &Surface, name: &str) -> Vec<String> {
    let field = |field: &shared::surface::Field| {
        let number = facet(surface, field.element, "protobuf.number");
        let encoding = facet(surface, field.element, "protobuf.encoding");
        let default = field.default.as_ref().map_or("", |json| json.text());
        format!("{} {:?} {number} {encoding} {default}", field.name, field.presence).trim_end().to_owned()
    };
    record(surface, name).fields.iter().map(field).collect()
}

#[test]
fn a_method_is_an_operation_with_its_bindings_streams_and_line() {
    let surface = surface(
        r#"syntax = "proto3";
package shop.v1;
import "google/api/annotations.proto";
import "google/api/client.proto";

message Order { string name = 1; }

// Orders. More of them.
service Orders {
  option (google.api.default_host) = "shop.example.com";
  // Gets one.
  // It must be there.
  rpc Get(Order) returns (Order) {
    option (google.api.http) = {
      get: "/v1/{name=orders/*}"
      additional_bindings { post: "/v1/orders:get" body: "*" response_body: "name" }
      additional_bindings: { custom: { kind: "HEAD" path: "/v1/head" } }
    };
  }
  rpc Watch(stream Order) returns (stream .shop.v1.Order) { option deprecated = true; }
}"#,
    );
    assert_eq!(surface.title.0.as_ref(), "shop.v1");
    assert_eq!(surface.api_version.0.as_ref(), "v1");
    assert_eq!(surface.format_version.0.as_ref(), "proto3");
    let [get, watch] = &surface.operations[..] else { panic!("{:?}", surface.operations) };
    assert_eq!(&*get.id, "shop.v1.Orders/Get");
    assert_eq!(&*get.summary.0, "Gets one.");
    assert_eq!(surface.position(get.element).unwrap().line, 13);
    assert_eq!(surface.path(get.element), "shop.v1.Orders.Get");
    let http: Vec<String> = get
        .http
        .iter()
        .map(|binding| format!("{} {} {} {}", binding.method, binding.path, binding.body, binding.response_body))
        .collect();
    assert_eq!(http, ["GET /v1/{name=orders/*}  ", "POST /v1/orders:get * name", "HEAD /v1/head  "]);
    let routes = super::routes(&surface);
    let routes: Vec<String> =
        routes.iter().map(|route| format!("{} {} {}", route.n, route.method, route.path)).collect();
    let expected = [
        "0 POST /shop.v1.Orders/Get",
        "0 GET /v1/orders/{name}",
        "0 POST /v1/orders:get",
        "0 HEAD /v1/head",
        "1 POST /shop.v1.Orders/Watch",
    ];
    assert_eq!(routes, expected);
    assert_eq!(surface.servers[0].url.as_ref(), "shop.example.com");
    let OperationKind::Rpc { client_streams, server_streams, .. } = watch.kind else { panic!("no method") };
    assert!(client_streams && server_streams && watch.deprecated && !get.deprecated);
    assert_eq!(watch.inputs[0].contents[0].ty, watch.outcomes[0].contents[0].ty);
}

#[test]
fn presence_is_what_syntax_labels_and_features_make_of_it() {
    let proto3 = surface(
        r#"syntax = "proto3"; message M {
        int32 a = 1; optional int32 b = 2; M c = 3; repeated int32 d = 4; map<string, M> e = 5; oneof o { int32 f = 6; } }"#,
    );
    let expected =
        ["a Implicit 1", "b Optional 2", "c Optional 3", "d Implicit 4 \"packed\"", "e Implicit 5", "f Optional 6"];
    assert_eq!(fields(&proto3, "M"), expected);
    assert_eq!(record(&proto3, "M").choices[0].fields, ["f".into()]);
    let proto2 = surface(
        r#"syntax = "proto2"; message M {
        required int32 a = 1; optional int32 b = 2 [default = 0x10]; repeated int32 c = 3; repeated int32 d = 4 [packed = true];
        optional group G = 5 { optional bytes x = 1 [default = "a\x00\377"]; } }"#,
    );
    let expected =
        ["a Required 1", "b Optional 2  16", "c Implicit 3", "d Implicit 4 \"packed\"", "g Optional 5 \"delimited\""];
    assert_eq!(fields(&proto2, "M"), expected);
    assert_eq!(fields(&proto2, "M.G"), [r#"x Optional 1  {"bytes":"a\\x00\\xff"}"#]);
    let edition = surface(
        r#"edition = "2023"; option features.field_presence = IMPLICIT;
        message M { option features.repeated_field_encoding = EXPANDED;
        int32 a = 1; int32 b = 2 [features.field_presence = EXPLICIT]; int32 c = 3 [features.field_presence = LEGACY_REQUIRED];
        M d = 4 [features = { message_encoding: DELIMITED }]; repeated int32 e = 5; string f = 6 [features.utf8_validation = NONE]; }"#,
    );
    let expected =
        ["a Implicit 1", "b Optional 2", "c Required 3", "d Optional 4 \"delimited\"", "e Implicit 5", "f Implicit 6"];
    assert_eq!(fields(&edition, "M"), expected);
    let text = &record(&edition, "M").fields[5];
    assert_eq!(facet(&edition, text.element, "protobuf.utf8"), "\"none\"");
}

#[test]
fn enumerations_are_open_or_closed_and_keep_their_numbers() {
    let text = |head: &str| {
        format!(
            "{head} enum E {{ option allow_alias = true; A = 1; B = 0; C = -0x1; D = 1; reserved 5 to 7, 8, -3, 100 to max; reserved \"X\"; }}"
        )
    };
    let closed = surface(&text("syntax = \"proto2\";"));
    let open = reading(&[("a.proto", &text("edition = \"2024\";"))]).unwrap().0;
    for (surface, is_open) in [(&closed, false), (&open, true)] {
        let found = ty(surface, "E");
        let Shape::Enum(values) = &found.shape else { panic!("no enum") };
        let numbers: Vec<String> =
            values.values.iter().map(|value| facet(surface, value.element, "protobuf.number")).collect();
        assert_eq!((values.open, numbers), (is_open, vec!["1".into(), "0".into(), "-1".into(), "1".into()]));
        let reserved = facet(surface, found.element, "protobuf.reserved");
        assert_eq!(reserved, r#"{"names":["X"],"numbers":[[-3,-3],[5,8],[100,2147483647]]}"#);
    }
    assert_eq!(facet(&closed, ty(&closed, "E").element, "protobuf.default"), "1");
    assert_eq!(facet(&open, ty(&open, "E").element, "protobuf.default"), "");
}

#[test]
fn extensions_are_fields_of_what_they_extend() {
    let surface = surface(
        r#"syntax = "proto2"; package p; import "google/protobuf/descriptor.proto";
        message M { extensions 100 to 199, 300 to max; extensions 200 [verification = UNVERIFIED]; }
        extend M { optional string a = 100; }
        message N { extend M { repeated N b = 101; } }
        extend google.protobuf.FieldOptions { optional M mine = 50000; }
        message O { optional int32 x = 1 [(mine) = {}, (p.mine).(p.a) = "b", deprecated = false, json_name = "x"]; }"#,
    );
    assert_eq!(fields(&surface, "p.M"), ["[p.a] Optional 100", "[p.N.b] Implicit 101"]);
    let options = fields(&surface, "google.protobuf.FieldOptions");
    assert_eq!(options.last().unwrap(), "[p.mine] Optional 50000");
    let x = record(&surface, "p.O").fields[0].element;
    assert_eq!(facet(&surface, x, "protobuf.options"), r#"{"(p.mine)":{"(p.a)":"b"}}"#);
    assert_eq!(facet(&surface, x, "protobuf.json_name"), "");
    let ranges = facet(&surface, ty(&surface, "p.M").element, "protobuf.extensions");
    assert_eq!(
        ranges,
        r#"[{"numbers":[[100,199],[300,536870911]]},{"numbers":[[200,200]],"options":{"verification":"UNVERIFIED"}}]"#
    );
}

#[test]
fn names_are_looked_up_from_the_inside_out() {
    let surface = surface(
        r#"syntax = "proto3"; package a.b;
        message T { string outer = 1; }
        message M { message T { string inner = 1; } T one = 1; b.T two = 2; .a.b.T three = 3; a.b.M.T four = 4; }"#,
    );
    let names: Vec<&str> =
        record(&surface, "a.b.M").fields.iter().map(|field| surface.get(field.ty).name.text()).collect();
    assert_eq!(names, ["a.b.M.T", "a.b.T", "a.b.T", "a.b.M.T"]);
}

#[test]
fn known_types_need_not_be_in_the_upload() {
    let surface = surface(
        r#"syntax = "proto3"; import "google/protobuf/timestamp.proto"; import "google/type/money.proto"; import "google/rpc/status.proto";
        message M { google.protobuf.Timestamp a = 1; google.type.Money b = 2; google.rpc.Status c = 3; }"#,
    );
    assert_eq!(fields(&surface, "google.protobuf.Timestamp"), ["seconds Implicit 1", "nanos Implicit 2"]);
    assert_eq!(fields(&surface, "google.type.Money").len(), 3);
    // What Status needs comes along; it stands in no file.
    assert_eq!(surface.position(ty(&surface, "google.protobuf.Any").element).unwrap().line, 0);
    assert_eq!(surface.files.len(), 1);
}

#[test]
fn all_known_files_are_read_without_a_warning() {
    let paths: Vec<&str> = include_str!("known.txt").lines().filter_map(|line| line.strip_prefix("==> ")).collect();
    assert!(paths.len() > 50);
    for path in paths {
        let (_, text) = super::known::file(path).unwrap();
        let (_, warnings) = reading(&[("copy/of.proto", text)]).unwrap();
        assert_eq!(warnings, [], "{path}");
    }
}

#[test]
fn a_copy_of_a_known_file_in_the_upload_changes_nothing() {
    let main = r#"syntax = "proto3"; import "google/rpc/status.proto"; message M { google.rpc.Status s = 1; }"#;
    let copy = r#"syntax = "proto3"; package google.rpc; option java_package = "com.google.rpc"; import "google/protobuf/any.proto";
        message Status { reserved 9; int32 code = 1 [jstype = JS_STRING]; string message = 2; repeated google.protobuf.Any details = 3; }"#;
    let mut upload = Files::one("a.proto", main.into());
    let (alone, _) = read(&upload, &["a.proto"]).unwrap();
    upload.add("third_party/google/rpc/status.proto", copy.into());
    let (beside, warnings) = read(&upload, &["a.proto"]).unwrap();
    assert_eq!(warnings.finish(), []);
    assert_eq!(alone.digest, beside.digest);
    let status = ty(&beside, "google.rpc.Status");
    assert_eq!(beside.position(status.element).unwrap().line, 2);
}

#[test]
fn imports_are_found_below_any_folder_and_the_nearest_counts() {
    let of =
        |path: &str, field: &str| (path.to_owned(), format!("syntax = \"proto3\"; package p; message {field} {{}}"));
    let mut upload = Files::one(
        "one/api/main.proto",
        br#"syntax = "proto3"; import "p/t.proto"; import public "none.proto"; message M { p.Near n = 1; }"#.into(),
    );
    for (path, text) in [of("one/p/t.proto", "Near"), of("two/p/t.proto", "Far")] {
        upload.add(&path, text.into_bytes());
    }
    let (surface, warnings) = read(&upload, &["one/api/main.proto"]).unwrap();
    let warnings: Vec<(String, String, u32)> =
        warnings.finish().into_iter().map(|warning| (warning.code, warning.file, warning.line)).collect();
    assert_eq!(warnings, [("unresolved-import".to_owned(), "one/api/main.proto".to_owned(), 1)]);
    assert!(surface.types.iter().any(|ty| ty.name.text() == "p.Near"));
    assert!(!surface.types.iter().any(|ty| ty.name.text() == "p.Far"));
}

#[test]
fn a_type_that_is_not_imported_is_found_with_a_warning_and_public_imports_hand_on() {
    let main = r#"syntax = "proto3"; import "b.proto"; message M { B b = 1; C c = 2; D d = 3; }"#;
    let files = [
        ("a.proto", main),
        ("b.proto", r#"syntax = "proto3"; import public "c.proto"; import "d.proto"; message B {}"#),
        ("c.proto", r#"syntax = "proto3"; message C {}"#),
        ("d.proto", r#"syntax = "proto3"; message D {}"#),
    ];
    let (surface, warnings) = reading(&files).unwrap();
    let warnings: Vec<(&str, &str)> =
        warnings.iter().map(|warning| (warning.code.as_str(), warning.pointer.as_str())).collect();
    assert_eq!(warnings, [("not-imported", "D")]);
    let names: Vec<&str> = record(&surface, "M").fields.iter().map(|field| surface.get(field.ty).name.text()).collect();
    assert_eq!(names, ["B", "C", "D"]);
}

#[test]
fn faults_that_can_be_lived_with_are_warnings_with_their_line() {
    let text = r#"syntax = "proto3";
import "nowhere/none.proto";
message A {
  none.B b = 1;
  required int32 c = 2;
  int32 d = 19000;
  int32 c = 5;
  reserved 7; reserved "e";
  int32 e = 7 [(unknown.option) = 1];
  oneof o { }
}
enum E { X = 1; Y = 1; }
enum F { }
message A { int32 fooBar = 1; int32 foo_bar = 2; }
service S { rpc M(E) returns (Missing); rpc M(A) returns (A); }
extend Gone { int32 x = 1; }
"#;
    let mut expected = vec![
        ("unresolved-import", 2),
        ("unresolved-type", 4),
        ("label", 5),
        ("number", 6),
        ("duplicate-name", 7),
        ("reserved", 9),
        ("reserved", 9),
        ("unresolved-option", 9),
        ("empty", 10),
        ("first-value", 12),
        ("duplicate-number", 12),
        ("empty", 13),
        ("duplicate-name", 14),
        ("json-name", 14),
        ("no-message", 15),
        ("unresolved-type", 15),
        ("duplicate-name", 15),
        ("unresolved-type", 16),
    ];
    let mut found = warned(text);
    found.sort_by(|left, right| (left.1, &left.0).cmp(&(right.1, &right.0)));
    expected.sort_by(|left, right| (left.1, left.0).cmp(&(right.1, right.0)));
    let found: Vec<(&str, u32)> = found.iter().map(|(code, line)| (code.as_str(), *line)).collect();
    assert_eq!(found, expected);
    assert_eq!(warned("message M { int32 a = 1; }"), [("no-syntax".to_owned(), 1), ("label".to_owned(), 1)]);
    let missing = reading(&[("a.proto", text)]).unwrap().0;
    let field = &record(&missing, "A").fields[0];
    let stand_in = missing.get(field.ty);
    assert_eq!(
        (&stand_in.shape, facet(&missing, stand_in.element, "surface.unresolved").as_str()),
        (&Shape::Any, "\"none.B\"")
    );
}

#[test]
fn what_makes_no_sense_is_refused_with_its_line() {
    assert_eq!(
        refused("syntax = \"proto3\";\nmessage A { int32 a = 1; string b = 1; }"),
        ("duplicate-number", Some(2))
    );
    assert_eq!(refused("syntax = \"proto2\";\nmessage A {\n  extensions 1"), ("syntax", Some(3)));
    assert_eq!(refused("\nsyntax = \"proto4\";"), ("format-version", Some(2)));
    assert_eq!(refused("edition = \"2022\";"), ("format-version", Some(1)));
    assert_eq!(refused("message A {}\nsyntax = \"proto3\";"), ("syntax", Some(2)));
    assert_eq!(refused("syntax = \"proto3\";\n\nmessage A { string a = 1 [x = 'a\n']; }"), ("syntax", Some(3)));
    assert_eq!(refused("/* no end"), ("syntax", Some(1)));
    assert_eq!(refused("option a = \"\\q\";"), ("syntax", Some(1)));
    assert_eq!(refused("message A { int32 a = 99999999999999999999; }"), ("syntax", Some(1)));
    assert_eq!(refused("  "), ("empty", None));
    let encoding = read(&Files::one("a.proto", vec![b'/', b'/', b'\n', 0xff]), &["a.proto"]).unwrap_err();
    assert_eq!((encoding.code, encoding.line), ("encoding", Some(2)));
}

#[test]
fn nesting_and_counts_have_limits() {
    let nested = |depth: usize| format!("{}{}", "message M {".repeat(depth), "}".repeat(depth));
    assert!(reading(&[("a.proto", &nested(64))]).is_ok());
    assert_eq!(refused(&nested(65)).0, "too-deep");
    assert_eq!(refused(&nested(100_000)).0, "too-deep");
    let values = |open: &str, close: &str| format!("option a = {}1{};", open.repeat(100_000), close.repeat(100_000));
    assert_eq!(refused(&values("{a:", "}")).0, "too-deep");
    assert_eq!(refused(&values("[", "]")).0, "too-deep");
    assert_eq!(refused(&format!("option {}a = 1;", "a.".repeat(100_000))).0, "too-deep");
    assert_eq!(refused(&format!("package {}a;", "a.".repeat(1_000))).0, "too-long-name");
    let features = format!("edition = \"2023\"; option features.x = \"{}\";", "x".repeat(2_000));
    assert_eq!(refused(&features).0, "too-long-features");
    assert_eq!(refused(&"message M{}".repeat(super::parse::NODES_MAX + 1)).0, "too-many-nodes");
    assert_eq!(refused(&format!("message {} {{}}", "a".repeat(2_000))).0, "too-long-name");
    let methods = "rpc M(M) returns (M);".replacen('M', "M{}", 1);
    let methods: String = (0..10_001).map(|place| methods.replacen("{}", &place.to_string(), 1)).collect();
    assert_eq!(refused(&format!("message M {{}} service S {{ {methods} }}")).0, "too-many-operations");
}

/// The same definitions in two ways of writing them: order, space, comments, names in full, options spelled otherwise, over files.
#[test]
fn how_it_is_written_does_not_change_the_digest() {
    let one = r#"syntax = "proto3"; package p;
        import "google/api/annotations.proto";
        option java_package = "com.p"; option java_multiple_files = false;
        message A { reserved 5, 6, 7; B b = 1; map<string, C> c = 2; oneof x { int32 d = 3; A e = 4; } message I { I i = 1; } }
        message B { A a = 1 [json_name = "a"]; repeated C c = 2 [packed = true]; string s = 3 [deprecated = true]; }
        enum C { ZERO = 0; ONE = 1; }
        service S { rpc M(A) returns (B) { option (google.api.http) = { get: "/a", additional_bindings: [{ post: '/b' body: "*" }] }; } rpc N(B) returns (stream A); }"#;
    let two = [
        (
            "y/b.proto",
            r#"/* other */ syntax = 'pro' "to3"; import "y/c.proto"; import "a.proto"; package p; option java_package = "com.p";
            // A comment
            message B { string s = 0x3 [deprecated = true]; repeated p.C c = 02; .p.A a = 1; }
            service S {
              rpc N(p.B) returns (stream .p.A) {}
              rpc M(A) returns (B) { option (.google.api.http).get = "/a"; option (google.api.http).additional_bindings = { body: "*"; post: "/b"; }; }
            }
            import "google/api/annotations.proto";"#,
        ),
        ("y/c.proto", r#"syntax = "proto3"; package p; option java_package = "com.p"; enum C { ONE = 1; ZERO = 0; }"#),
        (
            "a.proto",
            r#"syntax = "proto3"; package p; option java_package = "com.p"; import "y/b.proto"; import "y/c.proto";
            message A { message I { A.I i = 1; } oneof x { A e = 4; int32 d = 3; } reserved 6 to 7, 5; map<string, C> c = 2; B b = 1 [deprecated = false]; }"#,
        ),
    ];
    let (one, warnings) = reading(&[("one.proto", one)]).unwrap();
    assert_eq!(warnings, []);
    let (two, warnings) = reading(&two).unwrap();
    let codes: Vec<&str> = warnings.iter().map(|warning| warning.code.as_str()).collect();
    // The order of values is no meaning, but the language wants zero first.
    assert_eq!(codes, ["first-value"]);
    assert_eq!(one.digest, two.digest);
}

#[test]
fn every_edit_of_the_meaning_changes_the_digest() {
    let base = r#"syntax = "proto2"; package p; import "google/api/annotations.proto"; option go_package = "p";
message A { optional int32 a = 1; repeated int32 b = 2; oneof o { string c = 3; bytes d = 4; } reserved 9; extensions 100 to 110; }
enum E { Z = 0; Y = 1; }
extend A { optional E x = 100; }
service S { rpc M(A) returns (A) { option (google.api.http) = { get: "/a" }; option idempotency_level = NO_SIDE_EFFECTS; } }
service T {}"#;
    let edits = [
        ("proto2", "proto3"),
        ("go_package = \"p\"", "go_package = \"q\""),
        ("package p", "package q"),
        ("optional int32 a", "required int32 a"),
        ("optional int32 a", "repeated int32 a"),
        ("int32 a = 1", "int64 a = 1"),
        ("int32 a = 1", "sint32 a = 1"),
        ("int32 a = 1", "int32 z = 1"),
        ("int32 a = 1", "int32 a = 11"),
        ("int32 a = 1", "int32 a = 1 [default = 5]"),
        ("int32 a = 1", "int32 a = 1 [json_name = \"q\"]"),
        ("int32 a = 1", "int32 a = 1 [deprecated = true]"),
        ("int32 a = 1", "int32 a = 1 [jstype = JS_STRING]"),
        ("int32 b = 2", "int32 b = 2 [packed = true]"),
        ("oneof o", "oneof q"),
        ("string c = 3;", ""),
        ("string c = 3; bytes d = 4; }", "string c = 3; } optional bytes d = 4;"),
        ("reserved 9", "reserved 10"),
        ("100 to 110", "100 to 111"),
        ("Y = 1", "Y = 2"),
        ("Y = 1", "X = 1"),
        ("Y = 1;", "Y = 1; X = 2;"),
        ("Z = 0; Y = 1;", "Y = 1; Z = 0;"),
        ("optional E x = 100;", "optional E x = 101;"),
        ("extend A { optional E x = 100; }", ""),
        ("rpc M", "rpc N"),
        ("rpc M(A)", "rpc M(stream A)"),
        ("returns (A)", "returns (stream A)"),
        ("get: \"/a\"", "get: \"/b\""),
        ("get: \"/a\"", "put: \"/a\""),
        ("NO_SIDE_EFFECTS", "IDEMPOTENT"),
        ("service T {}", ""),
        ("service T {}", "service T { option deprecated = true; }"),
    ];
    let digest = |text: &str| reading(&[("a.proto", text)]).unwrap().0.digest;
    let before = digest(base);
    let mut seen = std::collections::HashMap::from([(before, base.to_owned())]);
    for (from, to) in edits {
        assert!(base.contains(from), "{from}");
        let edited = base.replacen(from, to, 1);
        if let Some(same) = seen.insert(digest(&edited), edited.clone()) {
            panic!("no difference between\n{same}\nand\n{edited}");
        }
    }
}

#[test]
fn scalars_keep_the_name_that_decides_about_the_wire() {
    let kinds = [
        ("double", ScalarKind::Number),
        ("float", ScalarKind::Number),
        ("int32", ScalarKind::Integer),
        ("sfixed64", ScalarKind::Integer),
        ("bool", ScalarKind::Boolean),
        ("string", ScalarKind::String),
        ("bytes", ScalarKind::Bytes),
    ];
    for (name, kind) in kinds {
        let surface = surface(&format!("syntax = \"proto3\"; message M {{ {name} a = 1; }}"));
        let field = &record(&surface, "M").fields[0];
        let Shape::Scalar(scalar) = &surface.get(field.ty).shape else { panic!("{name} is no scalar") };
        assert_eq!((&*scalar.format, scalar.kind, field.presence), (name, kind, Presence::Implicit));
    }
}

#[test]
fn what_is_imported_goes_before_what_is_nearer_and_is_not() {
    let files = [
        ("a.proto", r#"syntax = "proto3"; package a.b; import "b.proto"; message M { X x = 1; }"#),
        ("b.proto", r#"syntax = "proto3"; package a; message X {}"#),
        ("c.proto", r#"syntax = "proto3"; package a.b; message X {}"#),
    ];
    let (surface, warnings) = reading(&files).unwrap();
    assert_eq!(warnings, []);
    assert_eq!(surface.get(record(&surface, "a.b.M").fields[0].ty).name.text(), "a.X");
}

#[test]
fn a_summary_is_the_first_sentence_of_the_comment_right_before() {
    let surface = surface(
        "// Somebody's rights.\n\nsyntax = \"proto3\"; // not this\n/* What it is. And\n * more. */\nmessage A {} // nor this\n\n// A heading\n\nmessage B {}\n//   Two\n// lines\n//\n// and more\nmessage C {}",
    );
    let summaries = ["A", "B", "C"].map(|name| ty(&surface, name).summary.0.to_string());
    assert_eq!(summaries, ["What it is.", "", "Two lines"]);
}

/// Pieces of the language, so that mutated documents get past the first word.
fn piece() -> impl Strategy<Value = String> {
    let words = "syntax = \"proto3\"; | edition = \"2024\"; | message A { | } | enum E { | X = 0; | int32 a = 1; | repeated A b = | 2 | ; | oneof o { | map<string, A> | \
        reserved 1 to max; | extensions 5; | extend A { | service S { | rpc M(A) returns (stream A); | option a = { b: [1, 2] }; | option (google.api.http).get = \"/\"; | \
        import \"google/protobuf/any.proto\"; | import \"b.proto\"; | package p; | group G = 3 { | [default = -1] | [ | ] | ( | ) | . | \" | // | /* | */ | é | \\ | \n | 1e9 | 0x | optional | export | features.(pb.cpp).x = 1";
    let words: Vec<String> = words.split(" | ").map(str::to_owned).collect();
    proptest::sample::select(words)
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..400)) {
        let _ = read(&Files::one("a.proto", bytes), &["a.proto"]);
    }

    #[test]
    fn no_text_panics_and_the_answer_is_the_same_each_time(left in vec(piece(), 0..60), right in vec(piece(), 0..20)) {
        let (left, right) = (left.join(" "), right.join(" "));
        let files = [("a.proto", left.as_str()), ("b.proto", right.as_str())];
        let once = reading(&files);
        prop_assert_eq!(&once, &reading(&files));
        if let Ok((surface, _)) = once {
            prop_assert_eq!(Surface::unpack(&surface.pack()).unwrap().digest, surface.digest);
        }
    }
}
