//! What must not change a digest, and what must.

#![allow(clippy::format_collect)] // Small texts of tests.

use shared::surface::{Digest, Shape, Surface, Type};

use crate::readers::{Files, openapi};
use crate::upload::{Hint, read};

fn surface(text: &str) -> Surface {
    read(text.as_bytes(), Hint::default()).unwrap_or_else(|refused| panic!("{refused}: {text}")).surface
}

fn digest(text: &str) -> Digest {
    surface(text).digest
}

fn several(files: &[(&str, &str)]) -> Surface {
    let mut all = Files::default();
    for (path, text) in files {
        all.add(path, text.as_bytes().to_vec());
    }
    let (surface, warnings) = openapi::read(&all, &[files[0].0]).unwrap();
    assert_eq!(warnings.finish(), []);
    surface
}

const HEAD: &str = "openapi: 3.1.0\ninfo: {title: t, version: '1'}\npaths:\n  /a:\n    get:\n      operationId: a\n      responses:\n        '200':\n          description: d\n          content:\n            application/json:\n              schema: ";

fn with(schema: &str, rest: &str) -> String {
    format!("{HEAD}{schema}\n{rest}")
}

const PET: &str = "{type: object, required: [id], properties: {id: {type: integer, format: int64}, tags: {type: array, items: {type: string}}, kind: {enum: [cat, dog]}}}";
const TREE: &str = "{type: object, properties: {value: {type: string}, children: {type: array, items: {$ref: '#/components/schemas/Tree'}}}}";

#[test]
fn how_a_document_is_written_does_not_matter() {
    let inline = digest(&with(PET, ""));
    let named = |name: &str| {
        with(
            &format!("{{$ref: '#/components/schemas/{name}'}}"),
            &format!("components:\n  schemas:\n    {name}: {PET}\n"),
        )
    };
    assert_eq!(digest(&named("Pet")), inline, "a reference is what it refers to");
    assert_eq!(digest(&named("Animal")), inline, "a component's name is nobody's business");
    assert_eq!(
        digest(&with(
            "{allOf: [{$ref: '#/components/schemas/Pet'}]}",
            &format!("components:\n  schemas:\n    Pet: {PET}\n")
        )),
        inline
    );
    let reordered = "{properties: {kind: {enum: [dog, cat]}, tags: {items: {type: string}, type: array}, id: {format: int64, type: integer}}, required: [id], type: object}";
    assert_eq!(digest(&with(reordered, "")), inline, "keys have no order");
    let words = PET.replace("{type: object,", "{description: A pet, title: Pet, example: {id: 1}, type: object,");
    assert_eq!(digest(&with(&words, "")), inline, "words are not meaning");
    let text = with(PET, "");
    assert_eq!(digest(&text.replace('\n', "\n\n").replace("description: d", "description: Everything")), inline);
    let json = "{\"openapi\":\"3.1.1\",\"paths\":{\"/a\":{\"get\":{\"responses\":{\"200\":{\"content\":{\"application/json\":{\"schema\":{\"type\":\"object\",\"required\":[\"id\"],\"properties\":{\"kind\":{\"enum\":[\"cat\",\"dog\"]},\"id\":{\"type\":\"integer\",\"format\":\"int64\"},\"tags\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}}}}}}}},\"operationId\":\"a\"}}}}";
    assert_eq!(digest(json), inline, "JSON is YAML");
    let files =
        [("api/root.yaml", with("{$ref: '../types/pet.yaml#/Pet'}", "")), ("types/pet.yaml", format!("Pet: {PET}\n"))];
    let split = several(&[(files[0].0, &files[0].1), (files[1].0, &files[1].1)]);
    assert_eq!(split.digest, inline, "one file is several");
    let named = split.types.iter().find(|ty| matches!(ty.shape, Shape::Record(_))).unwrap();
    let position = split.position(named.element).unwrap();
    assert_eq!(
        (&*split.files[position.file as usize].0, position.line, split.path(named.element).as_str()),
        ("types/pet.yaml", 1, "/Pet")
    );
}

#[test]
fn a_cycle_is_the_same_wherever_it_is_entered() {
    let components = format!("components:\n  schemas:\n    Tree: {TREE}\n");
    let referred = digest(&with("{$ref: '#/components/schemas/Tree'}", &components));
    assert_eq!(digest(&with(TREE, &components)), referred);
    let twice = TREE.replace("{$ref: '#/components/schemas/Tree'}", TREE);
    assert_eq!(digest(&with(&twice, &components)), referred);
    let by_id = TREE.replace("#/components/schemas/Tree", "https://example.com/tree").replacen(
        "{type",
        "{$id: 'https://example.com/tree', type",
        1,
    );
    assert_eq!(digest(&with(&by_id, "")), referred);
    assert_ne!(digest(&with(&twice.replacen("string", "integer", 1), &components)), referred);
}

#[test]
fn every_edit_of_meaning_changes_the_digest() {
    let base = "{type: object, required: [a], minProperties: 1, additionalProperties: false, properties: {a: {type: string, minLength: 1, maxLength: 9, pattern: '^a', format: uuid, default: ab}, b: {type: [integer, 'null'], minimum: 1, exclusiveMaximum: 9, multipleOf: 2, readOnly: true}, c: {type: array, items: {type: string}, minItems: 1, maxItems: 3, uniqueItems: true, contains: {const: x}}, d: {oneOf: [{type: string}, {type: boolean}]}, e: {anyOf: [{type: string}, {type: boolean}]}, f: {not: {type: string}}, g: {enum: [1, two]}, h: {type: array, prefixItems: [{type: string}, {type: integer}]}, i: {if: {type: string}, then: {minLength: 2}, else: {type: integer}}, j: {type: object, unevaluatedProperties: false, dependentRequired: {x: [y]}, dependentSchemas: {x: {required: [z]}}, patternProperties: {'^x': {type: string}}, propertyNames: {maxLength: 3}}, k: {type: string, deprecated: true}}}";
    let mut seen = vec![digest(&with(base, ""))];
    for (from, to) in [
        ("required: [a]", "required: [a, b]"),
        ("required: [a]", "required: [a, zz]"),
        ("minProperties: 1", "minProperties: 2"),
        ("additionalProperties: false", "additionalProperties: true"),
        ("additionalProperties: false", "additionalProperties: {type: string}"),
        ("minLength: 1,", "minLength: 2,"),
        ("maxLength: 9", "maxLength: 10"),
        ("'^a'", "'^b'"),
        ("format: uuid", "format: uri"),
        ("default: ab", "default: ac"),
        ("[integer, 'null']", "integer"),
        ("[integer, 'null']", "[number, 'null']"),
        ("minimum: 1", "exclusiveMinimum: 1"),
        ("exclusiveMaximum: 9", "maximum: 9"),
        ("multipleOf: 2", "multipleOf: 4"),
        ("readOnly: true", "writeOnly: true"),
        ("readOnly: true", "readOnly: false"),
        ("minItems: 1", "minItems: 2"),
        ("maxItems: 3", "maxItems: 4"),
        ("uniqueItems: true", "uniqueItems: false"),
        ("const: x", "const: y"),
        ("oneOf:", "allOf:"),
        ("d: {oneOf: [{type: string}", "d: {oneOf: [{type: integer}"),
        ("anyOf:", "oneOf:"),
        ("not: {type: string}", "not: {type: integer}"),
        ("[1, two]", "[1, two, 3]"),
        ("[1, two]", "['1', two]"),
        ("[{type: string}, {type: integer}]}", "[{type: integer}, {type: string}]}"),
        ("then: {minLength: 2}", "then: {minLength: 3}"),
        ("else: {type: integer}", "else: {type: number}"),
        ("unevaluatedProperties: false", "unevaluatedProperties: true"),
        ("x: [y]", "x: [z]"),
        ("required: [z]", "required: [w]"),
        ("'^x'", "'^y'"),
        ("propertyNames: {maxLength: 3}", "propertyNames: {maxLength: 4}"),
        ("deprecated: true", "deprecated: false"),
        ("k: {", "l: {"),
    ] {
        assert!(base.contains(from), "{from}");
        let edited = digest(&with(&base.replacen(from, to, 1), ""));
        assert!(!seen.contains(&edited), "{from} -> {to}");
        seen.push(edited);
    }
    for (from, to) in [
        ("operationId: a", "operationId: b"),
        ("  /a:", "  /b:"),
        ("    get:", "    put:"),
        ("'200'", "'201'"),
        ("application/json", "application/xml"),
        ("      operationId: a\n", "      operationId: a\n      deprecated: true\n"),
        (
            "      operationId: a\n",
            "      operationId: a\n      parameters: [{name: q, in: query, schema: {type: string}}]\n",
        ),
        (
            "      operationId: a\n",
            "      operationId: a\n      parameters: [{name: q, in: query, required: true, schema: {type: string}}]\n",
        ),
        (
            "      operationId: a\n",
            "      operationId: a\n      parameters: [{name: q, in: header, schema: {type: string}}]\n",
        ),
        (
            "      operationId: a\n",
            "      operationId: a\n      parameters: [{name: q, in: query, explode: false, schema: {type: string}}]\n",
        ),
        ("      operationId: a\n", "      operationId: a\n      requestBody: {content: {application/json: {}}}\n"),
        ("      operationId: a\n", "      operationId: a\n      security: [{key: []}]\n"),
        ("      operationId: a\n", "      operationId: a\n      security: [{key: []}, {}]\n"),
        ("      operationId: a\n", "      operationId: a\n      servers: [{url: 'https://a'}]\n"),
        ("      operationId: a\n", "      operationId: a\n      callbacks: {c: {'{$url}': {post: {}}}}\n"),
        (
            "          description: d\n",
            "          description: d\n          headers: {X-A: {schema: {type: string}}}\n",
        ),
    ] {
        let text = with(base, "components: {securitySchemes: {key: {type: apiKey, in: header, name: k}}}\n");
        assert!(text.contains(from), "{from}");
        let edited = digest(&text.replacen(from, to, 1));
        assert!(!seen.contains(&edited), "{from} -> {to}");
        seen.push(edited);
    }
    let unreached =
        digest(&with(base, "components: {schemas: {Other: {type: object, properties: {q: {type: string}}}}}\n"));
    assert!(!seen.contains(&unreached), "types that no operation reaches are meaning");
}

fn response(text: &str) -> Type {
    let surface = surface(text);
    let id = surface.operations[0].outcomes[0].contents[0].ty;
    surface.get(id).clone()
}

#[test]
fn versions_say_the_same_in_their_own_words() {
    let digest_of = |version: &str, schema: &str| digest(&with(schema, "").replace("3.1.0", version));
    assert_eq!(
        digest_of("3.0.3", "{type: string, nullable: true}"),
        digest_of("3.1.0", "{type: [string, 'null']}"),
        "null"
    );
    assert_eq!(
        digest_of("3.0.3", "{type: number, minimum: 1, exclusiveMinimum: true}"),
        digest_of("3.2.0", "{type: number, exclusiveMinimum: 1}"),
        "limits"
    );
    assert_eq!(digest_of("3.1.0", "{const: a}"), digest_of("3.0.0", "{enum: [a]}"), "constants");
    let swagger = "swagger: 2.0\ninfo: {title: t, version: '1'}\npaths:\n  /a:\n    get:\n      operationId: a\n      produces: [application/json]\n      responses: {200: {description: d, schema: {$ref: '#/definitions/P'}}}\ndefinitions:\n  P: {type: object, properties: {a: {type: string}}}\n";
    assert_eq!(digest(swagger), digest_of("3.0.0", "{type: object, properties: {a: {type: string}}}"), "2.0");
    let implied = response(&with("{maxLength: 5}", ""));
    assert!(implied.implied && matches!(implied.shape, Shape::Scalar(_)), "without a type, other kinds fit too");
    let dangling = response(&with("{$ref: '#/nowhere'}", ""));
    assert!(matches!(dangling.shape, Shape::Intersection(_)), "{dangling:?}");
}

#[test]
fn the_limits_hold_in_bounded_time() {
    let started = std::time::Instant::now();
    // 100,000 fields; a chain of components; cycles through each other; one item of a path used by all.
    let fields: String = (0..100_000).map(|n| format!("f{n}: {{type: string}},")).collect();
    assert!(digest(&with(&format!("{{properties: {{{fields}}}}}"), "")) != Digest::default());
    let chain: String = (0..20_000)
        .map(|n| {
            format!("    c{n}: {{properties: {{next: {{$ref: '#/components/schemas/c{}'}}}}}}\n", (n + 1) % 20_000)
        })
        .collect();
    assert_eq!(
        surface(&with("{$ref: '#/components/schemas/c0'}", &format!("components:\n  schemas:\n{chain}"))).types.len(),
        20_000
    );
    let shared: String = (0..2_000).map(|n| format!("{{name: p{n}, in: query, schema: {{type: string}}}},")).collect();
    let paths: String = (0..9_000).map(|n| format!("  /p{n}: *item\n")).collect();
    let multiplied = format!(
        "openapi: 3.0.0\ninfo: {{title: t, version: '1'}}\nx-i: &item {{parameters: [{shared}], get: {{responses: {{200: {{description: d, content: {{a/b: {{schema: {{properties: {{a: {{type: string}}}}}}}}}}}}}}}}}}\npaths:\n{paths}"
    );
    let _ = read(multiplied.as_bytes(), Hint::default());
    assert!(started.elapsed().as_secs() < 300, "{:?}", started.elapsed());
}

#[test]
fn a_component_under_the_empty_key_has_no_name_and_is_unpacked_as_it_was_packed() {
    let surface =
        surface(&with("{$ref: '#/components/schemas/'}", "components:\n  schemas:\n    '': {type: string}\n"));
    assert!(surface.types.iter().all(|ty| ty.name.text().is_empty()));
    assert_eq!(Surface::unpack(&surface.pack()), Ok(surface));
}
