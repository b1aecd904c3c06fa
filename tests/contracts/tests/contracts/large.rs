//! Large documents, and such as are made to be hard.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;

use catalog::upload::{self, Hint};
use contracts::compare::{Settings, compare};
use contracts::finding::{Comparison, Severity, Verdict};
use shared::surface::Surface;

fn read(text: &str) -> Surface {
    upload::read(text.as_bytes(), Hint::default()).unwrap().surface
}

/// A request with a body of this schema, beside these components.
fn document(schema: &str, components: &str) -> Surface {
    read(&format!(
        r#"{{"openapi": "3.1.0", "info": {{"title": "t", "version": "1"}}, "paths": {{"/p": {{"put": {{"operationId": "put",
            "requestBody": {{"required": true, "content": {{"application/json": {{"schema": {schema}}}}}}},
            "responses": {{"200": {{"description": "ok"}}}}}}}}}}, "components": {{"schemas": {{{components}}}}}}}"#
    ))
}

fn compared(before: &Surface, after: &Surface) -> Comparison {
    compare(before, after, Settings::default())
}

/// The real pairs, each with how many findings it may have at most; none where they are not beside the repository.
fn pairs() -> Vec<([Surface; 2], usize)> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpus/large"));
    if !folder.is_dir() {
        eprintln!("skipped: {} is absent", folder.display());
        return Vec::new();
    }
    let one = |name: &str| {
        let mut text = String::new();
        let file = std::fs::File::open(folder.join(name)).unwrap();
        flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
        read(&text)
    };
    vec![
        ([one("github-19.1.0.json.gz"), one("github-23.0.2.json.gz")], 1_600),
        ([one("stripe-2021-08-23.json.gz"), one("stripe-2022-04-12.json.gz")], 500),
    ]
}

#[test]
fn real_documents_have_hundreds_of_findings_each_time_the_same() {
    for ([before, after], most) in pairs() {
        let first = compared(&before, &after);
        assert_eq!(first.verdict, Verdict::Breaking);
        assert!((100..=most).contains(&first.findings.len()), "{}", first.findings.len());
        assert_eq!(first.not_compared, []);
        let bytes = |comparison: &Comparison| serde_json::to_vec(comparison).unwrap();
        assert!(bytes(&first) == bytes(&compared(&before, &after)), "another answer for the same documents");
    }
}

#[test]
fn a_product_of_unions_is_compared_or_said_not_to_be() {
    let product = |last: u32| {
        let union =
            |n: u32| format!(r#"{{"anyOf": [{{"minimum": {n}}}, {{"maximum": -{n}}}, {{"multipleOf": {last}}}]}}"#);
        let parts: Vec<String> = (1..=20).map(union).collect();
        document(&format!(r#"{{"allOf": [{}]}}"#, parts.join(",")), "")
    };
    let found = compared(&product(2), &product(3));
    assert_eq!(found.verdict, Verdict::Dangerous);
    assert_eq!(found.not_compared.len(), 1, "{found:#?}");
    assert_eq!(found.not_compared[0].operations, ["put"]);
}

#[test]
fn types_that_need_each_other_end() {
    let circle = |leaf: &str| {
        let mut components = String::new();
        for n in 0..200 {
            let (one, two, three) = ((n + 1) % 200, (n * 7 + 3) % 200, (n * 13 + 5) % 200);
            let refer = |n: u32| format!(r##"{{"$ref": "#/components/schemas/T{n}"}}"##);
            write!(
                components,
                r#"{}"T{n}": {{"type": "object", "properties": {{"t{n}": {{"type": "string"}}, "a": {}, "b": {{"type": "array", "items": {}}}, "c": {{"anyOf": [{}, {{"type": "{leaf}"}}]}}}}}}"#,
                if n == 0 { "" } else { "," }, refer(one), refer(two), refer(three)
            )
            .unwrap();
        }
        document(r##"{"$ref": "#/components/schemas/T0"}"##, &components)
    };
    let found = compared(&circle("string"), &circle("integer"));
    assert_eq!((found.verdict, found.not_compared.len()), (Verdict::Breaking, 0));
    // One for each type that has changed, and none of a path through it.
    let breaking = found.findings.iter().filter(|finding| finding.severity == Severity::Breaking);
    assert_eq!(breaking.count(), 200);
}

#[test]
fn one_cause_is_one_finding_with_all_the_operations_that_it_reaches() {
    let shop = |field: &str| {
        let mut paths = String::new();
        for n in 0..400 {
            write!(
                paths,
                r##"{}"/p{n}": {{"get": {{"operationId": "get{n}", "responses": {{"200": {{"description": "ok", "content": {{"application/json": {{"schema":
                    {{"type": "array", "items": {{"$ref": "#/components/schemas/Pet"}}}}}}}}}}}}}}}}"##,
                if n == 0 { "" } else { "," }
            )
            .unwrap();
        }
        read(&format!(
            r#"{{"openapi": "3.0.3", "info": {{"title": "t", "version": "1"}}, "paths": {{{paths}}},
                "components": {{"schemas": {{"Pet": {{"type": "object", "properties": {{"name": {{"type": "string"}}{field}}}}}}}}}}}"#
        ))
    };
    let found = compared(&shop(r#", "tag": {"type": "string"}"#), &shop(""));
    let told: Vec<_> =
        found.findings.iter().map(|one| (one.rule, one.operations.len(), one.summary.as_str())).collect();
    assert_eq!(told, [("response-field-removed", 400, "`Pet.tag`: it is gone.")]);
    // Something else changes, and the fingerprint stays.
    let other = compared(
        &shop(r#", "tag": {"type": "string"}, "age": {"type": "integer"}"#),
        &shop(r#", "age": {"type": "string"}"#),
    );
    assert!(other.findings.iter().any(|one| one.fingerprint == found.findings[0].fingerprint));
}
