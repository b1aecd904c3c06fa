mod corpus;
mod laws;

use std::fmt::Write as _;

use shared::surface::{ElementId, OperationKind, Presence, Root, Shape, Surface, TypeId};

use super::*;

/// A small schema that has everything.
const EVERYTHING: &str = r#"
"""
The shop.

All of it.
"""
schema @contact(name: "Shop") {
  query: Root
  mutation: Change
}

extend schema @tag(name: "b") { subscription: News }

directive @tag(name: String!, of: [Level!] = [LOW, HIGH]) repeatable on SCHEMA | FIELD_DEFINITION | OBJECT
directive @contact(name: String) on SCHEMA

"What can be read"
type Root implements Node & Named @tag(name: "root") {
  id: ID!
  name: String!
  "One thing"
  thing(id: ID!, level: Level = LOW, filter: Filter): Thing @deprecated(reason: "Use `things`")
  things(first: Int! = 10, after: String @deprecated): [Thing!]!
}
type Change { add(thing: NewThing!): Thing! }
type News { added: Thing! }

interface Node { id: ID! }
interface Named implements Node { id: ID!, name: String! }

type Book implements Named & Node { id: ID! name: String! pages: Int price: Money ratings: [[Float!]]! }
type Toy implements Node { id: ID!, isSoft: Boolean }
union Thing = | Book | Toy

enum Level { LOW HIGH @deprecated }
scalar Money @specifiedBy(url: "https://example.com/money")

input Filter { name: String, minimum: Float! = 1.50, nested: [Filter!] = [{name: "a\u0062"}, {minimum: 2}] }
input NewThing @oneOf { book: String, toy: ID }

extend type Toy @tag(name: "toy") { owner: String }
"#;

fn read_one(text: &str) -> Result<(Surface, Warnings), Refused> {
    read(&Files::one("schema.graphql", text.as_bytes().to_vec()), &["schema.graphql"])
}

fn surface(text: &str) -> Surface {
    let (surface, warnings) = read_one(text).unwrap();
    assert_eq!(warnings.finish(), [], "{text}");
    surface
}

/// The warnings of a document: line, code and path.
fn warnings(text: &str) -> Vec<(u32, String, String)> {
    let (_, warnings) = read_one(text).unwrap();
    let warnings = warnings.finish();
    assert!(warnings.iter().all(|warning| warning.message.ends_with('.') && warning.file.is_empty()), "{warnings:?}");
    warnings.into_iter().map(|warning| (warning.line, warning.code, warning.pointer)).collect()
}

fn refusal(text: &str) -> (&'static str, u32, u32) {
    let refused = read_one(text).unwrap_err();
    (refused.code, refused.line.unwrap_or_default(), refused.column.unwrap_or_default())
}

fn type_named<'s>(surface: &'s Surface, name: &str) -> &'s shared::surface::Type {
    surface.types.iter().find(|ty| ty.name.text() == name).unwrap_or_else(|| panic!("there is no {name}"))
}

/// A type as GraphQL writes it, from the surface alone.
fn shown(surface: &Surface, id: TypeId) -> String {
    fn inner(surface: &Surface, id: TypeId) -> String {
        match &surface.get(id).shape {
            Shape::List(list) => format!("[{}]", shown(surface, list.items.unwrap())),
            _ => surface.get(id).name.text().to_owned(),
        }
    }
    match &surface.get(id).shape {
        Shape::Nullable(some) => inner(surface, *some),
        _ => inner(surface, id) + "!",
    }
}

fn facets(surface: &Surface, element: ElementId) -> String {
    surface.facets_of(element).iter().fold(String::new(), |mut all, facet| {
        write!(all, " {}={}", facet.key, facet.value.text()).unwrap();
        all
    })
}

/// All that a surface says, line by line.
fn described(surface: &Surface) -> String {
    let mut out = format!("document \"{}\"{}\n", surface.title.0, facets(surface, ElementId::NONE));
    let place = |element: ElementId| {
        let at = surface.position(element).unwrap();
        format!("{}:{}:{}{}", surface.path(element), at.line, at.column, facets(surface, element))
    };
    let presence = |presence| if presence == Presence::Required { "" } else { "?" };
    let default = |default: &Option<shared::surface::Json>| {
        default.as_ref().map(|json| format!(" = {}", json.text())).unwrap_or_default()
    };
    for operation in &surface.operations {
        let OperationKind::Field { root, name } = &operation.kind else { panic!("not a field") };
        let outcome = &operation.outcomes[0];
        let ty = shown(surface, outcome.contents[0].ty);
        let summary = &operation.summary.0;
        writeln!(
            out,
            "operation {} {root:?} {name} {} {ty} at {} \"{summary}\" {}",
            operation.id,
            outcome.status,
            surface.position(outcome.element).unwrap().line,
            place(operation.element)
        )
        .unwrap();
        assert_eq!(operation.deprecated, facets(surface, operation.element).contains("graphql.deprecation_reason"));
        for input in &operation.inputs {
            writeln!(
                out,
                "  {}{}: {}{} {}",
                input.name,
                presence(input.presence),
                shown(surface, input.contents[0].ty),
                default(&input.default),
                place(input.element)
            )
            .unwrap();
        }
    }
    for ty in surface.types.iter().filter(|ty| ty.element != ElementId::NONE) {
        writeln!(out, "{} {}", ty.name.text(), place(ty.element)).unwrap();
        match &ty.shape {
            Shape::Record(record) => {
                for id in &record.interfaces {
                    writeln!(out, "  implements {}", surface.get(*id).name.text()).unwrap();
                }
                for field in &record.fields {
                    writeln!(
                        out,
                        "  {}{}: {}{} {}",
                        field.name,
                        presence(field.presence),
                        shown(surface, field.ty),
                        default(&field.default),
                        place(field.element)
                    )
                    .unwrap();
                }
                let is_closed = record.additional.is_some_and(|id| surface.get(id).shape == Shape::Never);
                writeln!(
                    out,
                    "  interface {} closed {is_closed} choices {:?}",
                    record.is_interface,
                    record.choices.iter().map(|choice| &choice.fields).collect::<Vec<_>>()
                )
                .unwrap();
            }
            Shape::Enum(values) => {
                for value in &values.values {
                    writeln!(out, "  {} {}", value.value.text(), place(value.element)).unwrap();
                }
            }
            Shape::Union(union) => {
                for variant in &union.variants {
                    writeln!(
                        out,
                        "  {} {} {}",
                        variant.tag,
                        surface.get(variant.ty).name.text(),
                        place(variant.element)
                    )
                    .unwrap();
                }
            }
            other => writeln!(out, "  {other:?}").unwrap(),
        }
    }
    out
}

#[test]
fn everything_is_in_the_surface() {
    let found = described(&surface(EVERYTHING));
    let expected = include_str!("tests/everything.txt");
    if found != expected && std::env::var_os("UPDATE").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/readers/graphql/tests/everything.txt"), &found)
            .unwrap();
    }
    assert_eq!(found, expected);
}

#[test]
fn roots_are_those_of_the_schema_or_have_their_usual_names() {
    let roots = |text: &str| {
        let surface = surface(text);
        let operations: Vec<String> = surface.operations.iter().map(|operation| operation.id.to_string()).collect();
        (surface.facet(ElementId::NONE, "graphql.roots").unwrap().text().to_owned(), operations)
    };
    let all = "type Query { a: Int } type Mutation { b: Int } type Subscription { c: Int }";
    let usual = r#"{"mutation":"Mutation","query":"Query","subscription":"Subscription"}"#;
    assert_eq!(roots(all), (usual.to_owned(), vec!["Query.a".into(), "Mutation.b".into(), "Subscription.c".into()]));
    assert_eq!(
        roots(&format!("{all} schema {{ query: Query }}")).1,
        ["Query.a"],
        "what is not a root is a type like others"
    );
    let other = roots(&format!("extend schema {{ mutation: M }} type M {{ m: Int }} {all}"));
    assert_eq!(other.1, ["Query.a", "Mutation.m", "Subscription.c"]);
    assert_eq!(roots("type Thing { a: Int }"), ("{}".to_owned(), vec![]), "a library of types has no operations");
    assert_eq!(roots("interface Query { a: Int }").1, [""; 0]);
    // A field of a root type is one element with its operation.
    let surface = surface(all);
    let Shape::Record(record) = &type_named(&surface, "Mutation").shape else { panic!("no record") };
    assert_eq!(record.fields[0].element, surface.operations[1].element);
    assert!(matches!(surface.operations[1].kind, OperationKind::Field { root: Root::Mutation, .. }));
}

#[test]
fn several_files_are_one_schema_and_queries_beside_it_are_left_out() {
    let mut files = Files::one("b/types.graphql", b"type A { b: B }\nextend type Query {\n  more: A\n}".to_vec());
    files.add("a/query.graphqls", b"type Query { a: A }\ntype B { x: Int y: C }".to_vec());
    files.add("c/find.graphql", b"# Find\nquery Find { a { b { x } } }".to_vec());
    files.add("d/none.graphql", b"  \n".to_vec());
    files.add("d/comment.graphql", b"# nothing yet".to_vec());
    let roots: Vec<&str> = files.paths().collect();
    let (surface, warnings) = read(&files, &roots).unwrap();
    let places: Vec<(String, u32, u32)> = surface
        .operations
        .iter()
        .map(|operation| (operation.id.to_string(), surface.position(operation.element).unwrap()))
        .map(|(id, position)| (id, position.file, position.line))
        .collect();
    assert_eq!(places, [("Query.a".to_owned(), 0, 1), ("Query.more".to_owned(), 1, 3)]);
    let paths: Vec<&str> = surface.files.iter().map(|path| &*path.0).collect();
    assert_eq!(paths, ["a/query.graphqls", "b/types.graphql", "d/comment.graphql"]);
    let warnings: Vec<(String, String, u32)> =
        warnings.finish().into_iter().map(|warning| (warning.code, warning.file, warning.line)).collect();
    let expected =
        [("executable", "c/find.graphql", 2), ("empty", "d/none.graphql", 1), ("unknown-type", "a/query.graphqls", 2)];
    assert_eq!(warnings, expected.map(|(code, file, line)| (code.to_owned(), file.to_owned(), line)));
    let refused = read(&files, &["c/find.graphql", "d/none.graphql"]).unwrap_err();
    assert_eq!(refused.code, "empty");
    // A broken file among others keeps all from being read.
    files.add("e.graphql", b"type A {\n  b: }".to_vec());
    let roots: Vec<&str> = files.paths().collect();
    let refused = read(&files, &roots).unwrap_err();
    assert_eq!(
        (refused.code, refused.file.as_deref(), refused.line, refused.column),
        ("syntax", Some("e.graphql"), Some(2), Some(6))
    );
}

#[test]
fn what_is_no_schema_is_refused_with_its_place() {
    for (text, expected) in [
        ("", ("empty", 0, 0)),
        ("# nothing", ("empty", 1, 1)),
        ("type A {\n  a: Int", ("syntax", 2, 9)),
        ("type A {}", ("syntax", 1, 9)),
        ("type A { a Int }", ("syntax", 1, 12)),
        ("type A { a(): Int }", ("syntax", 1, 12)),
        ("type A { a: [Int }", ("syntax", 1, 18)),
        ("type A { a: Int!! }", ("syntax", 1, 17)),
        ("type A implements B C { a: Int }", ("syntax", 1, 21)),
        ("enum A { true }", ("syntax", 1, 10)),
        ("union A = | B | | C", ("syntax", 1, 17)),
        ("union A = B |", ("syntax", 1, 14)),
        ("input A { a: Int = $b }", ("syntax", 1, 20)),
        ("input A { a: Int = 01 }", ("syntax", 1, 20)),
        ("directive @a on NOWHERE", ("syntax", 1, 17)),
        ("directive @a", ("syntax", 1, 13)),
        ("schema { query Query }", ("syntax", 1, 16)),
        ("schema { read: Query }", ("syntax", 1, 10)),
        ("schema @a", ("syntax", 1, 10)),
        ("extend type A", ("syntax", 1, 14)),
        ("\"text\" extend type A { a: Int }", ("syntax", 1, 1)),
        ("extend directive @a on FIELD", ("syntax", 1, 8)),
        ("type A { a: Int } ;", ("syntax", 1, 19)),
        ("openapi: 3.1.0", ("syntax", 1, 1)),
        ("{\"openapi\": 1}", ("executable", 1, 1)),
        ("type A { a: Int }\nquery { a }", ("executable", 2, 1)),
        ("type A { a: Int }\n\n fragment X on A { a }", ("executable", 3, 2)),
    ] {
        assert_eq!(refusal(text), expected, "{text}");
    }
    let latin = read(&Files::one("a.graphql", b"type A {\n \"\xe4\" a: Int }".to_vec()), &["a.graphql"]).unwrap_err();
    assert_eq!((latin.code, latin.line, latin.column), ("encoding", Some(2), Some(3)));
}

#[test]
fn every_other_fault_is_a_warning_with_its_line_and_path() {
    let query = "type Query { a: Int }";
    for (text, expected) in [
        ("type A {\n  a(b: [Gone]): Missing! }", &[(2, "unknown-type", "A.a"), (2, "unknown-type", "A.a(b:)")][..]),
        ("type A implements\nGone { a: Int }", &[(2, "unknown-type", "A")]),
        (
            "union A = \nGone | Int | E enum E { B }",
            &[(2, "unknown-type", "A.Gone"), (2, "union-member", "A.Int"), (2, "union-member", "A.E")],
        ),
        ("schema { query: Gone }", &[(1, "unknown-type", "Gone")]),
        ("schema { query: E }\nenum E { A }", &[(1, "root-type", "E")]),
        ("schema { query: Query\n query: Query }", &[(2, "duplicate-root", "Query")]),
        (
            "schema { query: Query }\nschema { query: Query }",
            &[(2, "duplicate-definition", ""), (2, "duplicate-root", "Query")],
        ),
        ("type A { a: Int }\ntype A { b: Int }", &[(2, "duplicate-definition", "A")]),
        ("type A { a: Int }\nenum A { B }", &[(2, "duplicate-definition", "A")]),
        ("type A { a: Int }\nextend input A { b: Int }", &[(2, "wrong-extension", "A")]),
        ("extend type A { a: Int }", &[(1, "extension-without-definition", "A")]),
        (
            "type A { a: Int\n a: String\n b(c: Int,\n c: Int): Int }",
            &[(2, "duplicate-item", "A.a"), (4, "duplicate-item", "A.b(c:)")],
        ),
        ("enum A { B\n B }", &[(2, "duplicate-item", "A.B")]),
        ("type A { a: Int } union U = A |\n A", &[(2, "duplicate-item", "U.A")]),
        ("directive @a on FIELD\ndirective @a on FIELD", &[(2, "duplicate-definition", "@a")]),
        ("type A {\n a: Int @b @b(c: 1) }", &[(2, "unknown-directive", "A.a")]),
        (
            "directive @d(a: Int!, b: Int) on FIELD\ntype A {\n a: Int @d }",
            &[(3, "misplaced-directive", "A.a"), (3, "directive-argument", "A.a")],
        ),
        (
            "directive @d on OBJECT type A @d(x: 1)\n @d { a: Int }",
            &[(1, "directive-argument", "A"), (2, "repeated-directive", "A")],
        ),
        (
            "directive @d(a: Int) on OBJECT type A @d(a: \"1\"\n a: 1) { a: Int }",
            &[(1, "directive-argument", "A"), (2, "directive-argument", "A")],
        ),
        (
            "type A @deprecated { a: Int @deprecated(reason: 1) }",
            &[(1, "misplaced-directive", "A"), (1, "directive-argument", "A.a")],
        ),
        ("type __A { a: Int, __b: Int }", &[(1, "reserved-name", "__A"), (1, "reserved-name", "__A.__b")]),
        ("type A", &[(1, "empty-type", "A")]),
        (
            "type A { a(b: A): I } input I { a: A }",
            &[(1, "output-type", "A.a"), (1, "input-type", "A.a(b:)"), (1, "input-type", "I.a")],
        ),
        ("input I { a: Int! @deprecated }", &[(1, "required-deprecated", "I.a")]),
        ("input I @oneOf { a: Int!\n b: Int = 1 c: Int }", &[(1, "one-of", "I.a"), (2, "one-of", "I.b")]),
        (
            "input A { b: B! } input B { a: A!, c: [C!]! } input C { c: C }",
            &[(1, "input-without-end", "A"), (1, "input-without-end", "B")],
        ),
        ("interface I { a(b: Int): Int }\ntype A implements I { x: Int }", &[(2, "implements", "A")]),
        (
            "interface I { a(b: Int): Int! }\ntype A implements I {\n a(b: Int!, c: Int!): Int }",
            &[(3, "implements", "A.a"), (3, "implements", "A.a"), (3, "implements", "A.a")],
        ),
        (
            "interface I { a: Int } interface J implements I { a: Int }\ntype A implements J { a: Int }",
            &[(2, "implements", "A")],
        ),
        ("type B { a: Int }\ntype A implements B { a: Int }", &[(2, "implements", "A")]),
        ("interface I { a: Int }\ntype A implements I & I { a: Int }", &[(2, "implements", "A")]),
    ] {
        let text =
            if text.contains("schema") && text.contains("Query") { format!("{text} {query}") } else { text.to_owned() };
        let found = warnings(&text);
        let expected: Vec<(u32, String, String)> =
            expected.iter().map(|(line, code, path)| (*line, (*code).to_owned(), (*path).to_owned())).collect();
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn defaults_fit_their_types_or_are_warned_of() {
    let types = "enum E { A B } scalar Any input I { a: Int! b: E = A c: [I] } input O @oneOf { a: Int b: Int }";
    for (ty, good, bad) in [
        ("Int", &["1", "null", "-2147483648"][..], &["1.0", "\"1\"", "2147483648", "A", "{}", "[1]"][..]),
        ("Int!", &["1"], &["null"]),
        ("Float", &["1", "1.5", "1e400"], &["\"1\"", "true"]),
        ("String", &["\"a\"", "\"\"\"b\"\"\""], &["1", "a"]),
        ("Boolean", &["true"], &["1", "\"true\"", "TRUE"]),
        ("ID", &["1", "\"1\""], &["1.5", "A"]),
        ("E", &["A"], &["\"A\"", "C", "1"]),
        ("[Int!]", &["[1]", "1", "[]", "null"], &["[null]", "[[1]]", "[\"\"]"]),
        ("[[Int]]", &["[[1], null]", "[1]", "1"], &["[[[1]]]"]),
        (
            "I",
            &["{a: 1}", "{a: 1, c: [{a: 2, b: B}]}"],
            &["{}", "{a: null}", "{a: 1, a: 2}", "{a: 1, x: 1}", "{a: 1, c: {b: A}}", "1"],
        ),
        ("O", &["{a: 1}"], &["{}", "{a: 1, b: 1}", "{a: null}"]),
        ("Any", &["{a: [1, B, \"\"]}", "1.5"], &[]),
    ] {
        for (values, expected) in [(good, vec![]), (bad, vec![(2, "invalid-default".to_owned(), "A.a(b:)".to_owned())])]
        {
            for value in values {
                assert_eq!(
                    warnings(&format!("{types}\ntype A {{ a(b: {ty} = {value}): Int }}")),
                    expected,
                    "{ty} = {value}"
                );
            }
        }
    }
}

#[test]
fn parts_of_a_federation_are_read_without_noise() {
    let subgraph = r#"
        extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key", "@shareable"])
        type Product @key(fields: "id") { id: ID! @shareable name: String @federation__override(from: "a") }
        extend type Query { product(id: ID!): Product }"#;
    assert_eq!(surface(subgraph).operations.len(), 1);
    let first =
        "extend type User @key(fields: \"id\") { id: ID! @external reviews: Int } extend type Query { me: User }";
    assert_eq!(surface(first).operations.len(), 1);
}

#[test]
fn what_is_missing_stands_in_the_surface_as_any() {
    let (surface, _) = read_one("type Query {\n  a: Missing!\n  b: [Missing] c: Gone }").unwrap();
    let missing = surface.operations[0].outcomes[0].contents[0].ty;
    let ty = surface.get(missing);
    assert_eq!((&ty.shape, surface.position(ty.element).unwrap().line), (&Shape::Any, 2));
    assert_eq!(surface.facet(ty.element, "surface.unresolved").unwrap().text(), "\"Missing\"");
    assert_eq!(surface.types.iter().filter(|ty| surface.facet(ty.element, "surface.unresolved").is_some()).count(), 2);
}

#[test]
fn it_is_known_by_its_name_or_its_first_words() {
    for good in [
        EVERYTHING,
        "# Types\ntype A { a: Int }",
        "\"An A\" type A",
        "extend type A { a: Int }",
        "schema @a { query: Q }",
        "directive @a on FIELD",
        "enum E { A B }",
        "query { a }",
        "fragment F on A { a }",
    ] {
        assert!(looks_like(good), "{good}");
    }
    for bad in [
        "",
        "# nothing",
        "type: object",
        "{\"openapi\": \"3.1.0\"}",
        "openapi: 3.1.0",
        "schema: {type: string}",
        "syntax = \"proto3\";",
        "message A { int32 a = 1; }",
        "enum E { A = 0; B = 1; }",
        "#%RAML 1.0\ntitle: A",
        "<definitions/>",
        "\"type\": 1",
    ] {
        assert!(!looks_like(bad), "{bad}");
    }
}

#[test]
fn an_upload_is_known_and_its_root_fields_are_listed_and_routed() {
    use crate::domain::routes::parts;
    use crate::upload::{Hint, Syntax, read};

    let text = "\ntype Query {\n  user(id: ID!): Int @deprecated }\ntype Mutation { add: Int }";
    let named = Hint { filename: Some("api/schema.graphql"), ..Hint::default() };
    for hint in [Hint::default(), named, Hint { format: Some("GraphQL"), ..Hint::default() }] {
        let document = read(text.as_bytes(), hint).unwrap();
        assert_eq!((&*document.format, document.syntax), ("graphql", Syntax::Graphql));
        let listed: Vec<(&str, &str, &str, u32, bool)> = document
            .operations
            .iter()
            .map(|one| (&*one.id, &*one.method, &*one.path, one.line, one.deprecated))
            .collect();
        assert_eq!(listed, [("Query.user", "QUERY", "user", 3, true), ("Mutation.add", "MUTATION", "add", 4, false)]);
        let routes = parts(&document.operations).concat();
        assert_eq!((routes[1].n, &*routes[1].method, &*routes[1].path), (1, "MUTATION", "add"));
    }
    assert_eq!(read(b"query { a }", Hint::default()).unwrap_err().code, "executable");
    // An archive: all its files that are GraphQL, or the one that is named.
    let mut archive = tar::Builder::new(Vec::new());
    for (path, text) in [
        ("a/more.gql", "extend type Query { more: Int }"),
        ("query.graphql", "type Query { a: Int }"),
        ("read.md", "# Me"),
    ] {
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    let archive = archive.into_inner().unwrap();
    let whole = read(&archive, Hint::default()).unwrap();
    assert_eq!((&*whole.root, whole.operations.len(), &*whole.warnings), ("", 2, &[][..]));
    let one = read(&archive, Hint { root: Some("query.graphql"), ..Hint::default() }).unwrap();
    assert_eq!((&*one.root, one.operations.len()), ("query.graphql", 1));
    assert!(read(text.as_bytes(), Hint { format: Some("openapi"), ..Hint::default() }).is_err());
}

#[test]
fn limits_hold_and_are_told() {
    let deep = |open: &str, inner: &str, close: &str, levels: usize| {
        format!("input A {{ a: {}{inner}{} }}", open.repeat(levels), close.repeat(levels))
    };
    assert_eq!(refusal(&deep("[", "Int", "]", 100_000)).0, "too-deep");
    assert_eq!(
        refusal(&deep("Any = [", "1", "]", 100_000).replacen("Any = ", "", 0).replace("[Any = ", "[")).0,
        "too-deep"
    );
    assert_eq!(refusal(&format!("input A {{ a: Any = {}1", "{a:".repeat(100_000))).0, "too-deep");
    assert!(read_one(&deep("[", "Int", "]", DEPTH_MAX)).is_ok());
    let many =
        |count: usize| format!("enum E {{ {} }}", (0..count).fold(String::new(), |text, at| format!("{text} V{at}")));
    assert!(read_one(&many(5_000)).is_ok());
    let fields: String = (0..=OPERATIONS).fold(String::new(), |mut text, at| {
        write!(text, " f{at}: Int").unwrap();
        text
    });
    assert_eq!(read_one(&format!("type Query {{ {fields} }}")).unwrap_err().code, "too-many-operations");
    let values = " A".repeat(PARTS_MAX);
    assert_eq!(refusal(&format!("enum E {{\n{values} }}")), ("too-many-values", 2, 1_000_000));
}

const OPERATIONS: usize = crate::readers::OPERATIONS_MAX;

#[test]
fn many_times_many_end_soon() {
    let list = |count: usize, one: &str| {
        (0..count).fold(String::new(), |mut text, at| {
            text.push_str(&one.replace('#', &at.to_string()));
            text
        })
    };
    // Each of many types lacks each of many fields; each of many uses lacks each of many arguments; each of many defaults lacks many fields.
    let types = list(3_000, " type T# implements I { x: Int }");
    let interface = format!("interface I {{ {} }} {types}", list(3_000, " f#: Int"));
    let directive =
        format!("directive @d({}) on OBJECT {}", list(3_000, " a#: Int!"), list(3_000, " type T# @d { x: Int }"));
    let defaults =
        format!("input I {{ {} }} input J {{ {} }}", list(3_000, " a#: Int = 1"), list(3_000, " b#: I = {}"));
    for text in [interface, directive, defaults] {
        let (_, warnings) = read_one(&text).unwrap();
        let found = warnings.finish();
        assert!(found.iter().any(|warning| warning.code == "not-all-checked") || found.len() > 100, "{found:?}");
    }
}
