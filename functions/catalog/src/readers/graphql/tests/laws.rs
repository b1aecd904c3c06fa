//! The digest is the meaning's: how a schema is written does not change it, each edit does; and nothing that is read makes the reader panic.

use proptest::prelude::*;
use proptest::sample::Index;
use shared::surface::{Digest, Digests, Surface};

use super::{EVERYTHING, read_one, surface};
use crate::readers::graphql::lexer::{Kind, Lexer};
use crate::readers::graphql::read;
use crate::readers::{Files, Refused};

fn digest(text: &str) -> Digest {
    read_one(text).unwrap_or_else(|refused| panic!("{refused}: {text}")).0.digest
}

/// The tokens of a text, and where each of its definitions ends.
fn tokens(text: &str) -> (Vec<String>, Vec<usize>) {
    let mut lexer = Lexer::new(text, 0);
    let (mut tokens, mut ends, mut depth) = (Vec::<String>::new(), vec![0], 0_i32);
    let keywords = ["schema", "extend", "directive", "type", "interface", "union", "enum", "scalar", "input"];
    loop {
        let token = lexer.token().unwrap();
        let was_extended = tokens.last().is_some_and(|last| last == "extend");
        let is_described = tokens.last().is_some_and(|last| last.starts_with('"'));
        if depth == 0 && keywords.contains(&token.text) && !was_extended && !tokens.is_empty() {
            ends.push(tokens.len() - usize::from(is_described));
        }
        match token.text {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth -= 1,
            _ => {}
        }
        if token.kind == Kind::End {
            ends.push(tokens.len());
            return (tokens, ends);
        }
        tokens.push(token.text.to_owned());
    }
}

/// The definitions of a schema as texts.
fn definitions(text: &str) -> Vec<String> {
    let (tokens, ends) = tokens(text);
    ends.windows(2).map(|pair| tokens[pair[0]..pair[1]].join(" ")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn order_space_comments_and_files_are_not_meaning(
        order in Just(definitions(EVERYTHING)).prop_shuffle(),
        files in prop::collection::vec(0_usize..4, 40),
        space in prop::sample::select(vec![" ", "\n", "\r\n\t", ", ", "#x }{\n", "\u{feff}\n"]),
    ) {
        let mut all = Files::default();
        let mut texts = vec![String::new(); 4];
        for (definition, file) in order.iter().zip(&files) {
            let (tokens, _) = tokens(definition);
            texts[*file].push_str(&tokens.join(space));
            texts[*file].push_str(space);
        }
        for (place, text) in texts.iter().enumerate() {
            all.add(&format!("{place}.graphql"), text.clone().into_bytes());
        }
        let roots: Vec<&str> = all.paths().collect();
        let (found, _) = read(&all, &roots).unwrap();
        prop_assert_eq!(found.digest, digest(EVERYTHING));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&Files::one("a.graphql", bytes), &["a.graphql"]);
    }

    #[test]
    fn no_tokens_make_it_panic(tokens in prop::collection::vec(prop::sample::select(WORDS.to_vec()), 0..80)) {
        whole(&tokens.join(" "));
    }

    #[test]
    fn no_damage_makes_it_panic(from in any::<Index>(), to in any::<Index>(), with in prop::sample::select(WORDS.to_vec())) {
        let (mut tokens, _) = tokens(EVERYTHING);
        let (from, to) = (from.index(tokens.len()), to.index(tokens.len()));
        whole(&[&tokens[..from], &[with.to_owned()], &tokens[from..]].concat().join(" "));
        tokens.swap(from, to);
        whole(&tokens.join(" "));
        tokens.drain(from.min(to)..from.max(to));
        whole(&tokens.join(" "));
    }
}

const WORDS: [&str; 40] = [
    "type",
    "interface",
    "union",
    "enum",
    "input",
    "scalar",
    "directive",
    "extend",
    "schema",
    "query",
    "implements",
    "on",
    "repeatable",
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    ":",
    "=",
    "!",
    "|",
    "&",
    "@",
    "$",
    "\"a\"",
    "\"\"\"b\"\"\"",
    "1",
    "1.5",
    "null",
    "true",
    "A",
    "B",
    "Query",
    "FIELD",
    "OBJECT",
    "deprecated",
    "oneOf",
    "Int",
];

/// What is read is a whole surface: it can be packed and read again, and its digest is worked out again.
fn whole(text: &str) {
    match read_one(text) {
        Ok((surface, warnings)) => {
            let again = Surface::unpack(&surface.pack()).unwrap();
            assert_eq!(Digests::of(&again).surface, surface.digest);
            assert!(warnings.finish().iter().all(|warning| warning.line > 0));
        }
        // Nothing has no place.
        Err(_) if text.trim().is_empty() => {}
        Err(Refused { line, column, .. }) => assert!(line > Some(0) && column > Some(0), "{text}"),
    }
}

#[test]
fn what_is_written_another_way_means_the_same() {
    let same = [
        ("type A { a: Int b: Int }", "type A { b: Int } extend type A { a: Int }"),
        ("type A { a(x: Int, y: Int): Int }", "type A { a(y: Int x: Int): Int }"),
        (
            "union U = A | B type A { a: Int } type B { a: Int }",
            "type A { a: Int } type B { a: Int } union U = | B extend union U = A",
        ),
        ("enum E { A B }", "enum E { B A }"),
        ("input I { a: Float = 1.50 }", "input I { a: Float = 15e-1 }"),
        ("input I { a: String = \"b\\u0061\" }", "input I { a: String = \"\"\"ba\"\"\" }"),
        ("type A { a: Int @deprecated }", "type A { a: Int @deprecated(reason: \"No longer supported\") }"),
        ("type Query { a: Int }", "schema { query: Query } \"Words\" type Query { \"More\" a: Int }"),
        (
            "directive @d(a: I) repeatable on OBJECT | FIELD input I { a: Int b: Int }",
            "input I { a: Int b: Int } directive @d(a: I) repeatable on FIELD | OBJECT",
        ),
        (
            "directive @d(a: Int, b: Int) on OBJECT type A @d(a: 1, b: 2) { a: Int }",
            "directive @d(a: Int, b: Int) on OBJECT type A @d(b: 2, a: 1) { a: Int }",
        ),
        (
            "directive @d(a: Int) repeatable on OBJECT type A { a: Int } extend type A @d(a: 1) extend type A @d(a: 2)",
            "directive @d(a: Int) repeatable on OBJECT extend type A @d(a: 2) extend type A @d(a: 1) type A { a: Int }",
        ),
        (
            "interface I { a: Int } interface J { a: Int } type A implements I & J { a: Int }",
            "interface J { a: Int } interface I { a: Int } type A implements J & I { a: Int }",
        ),
    ];
    for (left, right) in same {
        assert_eq!(digest(left), digest(right), "{left} / {right}");
    }
}

#[test]
fn every_edit_has_a_digest_of_its_own() {
    let edits = [
        ("query: Root", "query: Root2"),
        ("mutation: Change", ""),
        ("@contact(name: \"Shop\")", "@contact(name: \"Store\")"),
        ("@contact(name: \"Shop\")", ""),
        ("name: String!, of", "name: String, of"),
        ("[LOW, HIGH]", "[HIGH, LOW]"),
        ("repeatable on", "on"),
        ("FIELD_DEFINITION | OBJECT", "FIELD_DEFINITION"),
        ("type Root implements Node & Named @tag(name: \"root\")", "type Root implements Node & Named"),
        ("@tag(name: \"root\")", "@tag(name: \"root\") @tag(name: \"root\")"),
        ("type Root implements Node & Named", "type Root implements Node"),
        ("  id: ID!\n", ""),
        ("  id: ID!\n", "  id: ID\n"),
        ("  id: ID!\n", "  id: String!\n"),
        ("thing(id: ID!, level", "thing(id: ID, level"),
        ("level: Level = LOW", "level: Level = HIGH"),
        ("level: Level = LOW", "level: Level"),
        ("level: Level = LOW", "level: Level!"),
        (", filter: Filter", ""),
        ("@deprecated(reason: \"Use `things`\")", ""),
        ("Use `things`", "Do not"),
        ("things(first", "items(first"),
        ("[Thing!]!\n", "[Thing]!\n"),
        ("[Thing!]!\n", "[[Thing!]!]!\n"),
        ("after: String @deprecated", "after: String"),
        ("interface Named implements Node", "interface Named"),
        ("interface Node", "type Node"),
        ("| Book | Toy", "Book"),
        ("isSoft: Boolean", "isSoft: Int"),
        ("LOW HIGH @deprecated", "LOW HIGH"),
        ("LOW HIGH @deprecated", "LOW HIGH @deprecated MIDDLE"),
        ("example.com/money", "example.com/cash"),
        ("scalar Money", "scalar Cash"),
        ("1.50", "1.5000001"),
        ("minimum: Float! = 1.50", "minimum: Float!"),
        ("{minimum: 2}", "{minimum: 3}"),
        ("@oneOf", ""),
        ("book: String, toy: ID", "book: String"),
        ("{ owner: String }", "{ owner: String @tag(name: \"x\") }"),
        ("extend type Toy @tag(name: \"toy\") { owner: String }", ""),
        ("pages: Int", "pages: Int\n} type Other {\n x: Int"),
    ];
    let mut known = vec![surface(EVERYTHING).digest];
    for (before, after) in edits {
        assert!(EVERYTHING.contains(before), "{before}");
        let digest = digest(&EVERYTHING.replacen(before, after, 1));
        assert!(!known.contains(&digest), "{before} -> {after}");
        known.push(digest);
    }
}

/// Schemas with small damage: tokens that are missing, doubled, exchanged or come from elsewhere. Always the same ones.
pub(super) fn damaged(count: usize) -> Vec<String> {
    let (whole, _) = tokens(EVERYTHING);
    let mut state = 1_usize;
    let mut below = |limit: usize| {
        // Knuth's constants for 64 bits; the high bits are the good ones.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % limit
    };
    let one = |_| {
        let mut tokens = whole.clone();
        for _ in 0..=below(2) {
            let at = below(tokens.len());
            match below(4) {
                0 => drop(tokens.remove(at)),
                1 => tokens.insert(at, tokens[at].clone()),
                2 => tokens[at] = WORDS[below(WORDS.len())].to_owned(),
                _ => {
                    let other = below(tokens.len());
                    tokens.swap(at, other);
                }
            }
        }
        tokens.join(if below(2) == 0 { " " } else { "\n" })
    };
    (0..count).map(one).collect()
}
