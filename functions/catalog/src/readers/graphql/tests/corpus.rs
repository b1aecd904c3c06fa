//! The public corpus, against its score card and against graphql-js.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use shared::surface::{Digest, OperationKind, Root, Surface};

use super::read_one;

/// The documents, where the folder with them is beside the repository's.
fn corpus() -> Option<PathBuf> {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpus"));
    if !path.is_dir() {
        eprintln!("skipped: {} is absent", path.display());
        return None;
    }
    Some(path.to_owned())
}

fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn unpacked(path: &Path) -> String {
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    if path.extension().is_some_and(|ending| ending == "gz") {
        flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    } else {
        std::io::BufReader::new(file).read_to_string(&mut text).unwrap();
    }
    text
}

/// The documents of the family, by id: their text, and whether they are listed as malformed.
fn documents(corpus: &Path) -> Vec<(String, String, bool)> {
    let index = json(&corpus.join("index.json"));
    let listed = index.as_array().unwrap().iter().filter(|document| document["format"] == "graphql");
    listed
        .map(|document| {
            let text = unpacked(&corpus.join(document["main"].as_str().unwrap()));
            (document["id"].as_str().unwrap().to_owned(), text, document["malformed"] == true)
        })
        .collect()
}

#[test]
fn every_document_of_the_corpus_is_judged_as_its_score_card_says() {
    let Some(corpus) = corpus() else { return };
    let either = json(&corpus.join("scoring.json"))["documents"]["either"].clone();
    let documents = documents(&corpus);
    assert!(documents.len() >= 15);
    for (id, text, malformed) in documents {
        let read = read_one(&text).map(|(_, warnings)| warnings.finish().len());
        let good = match (either.get(&id).is_some(), malformed) {
            (true, _) => !matches!(read, Ok(0)),
            (false, true) => read.is_err(),
            (false, false) => read.is_ok(),
        };
        assert!(good, "{id}: {read:?}");
    }
}

#[test]
fn pairs_of_the_corpus_have_one_digest_exactly_if_they_are_identical() {
    let Some(corpus) = corpus() else { return };
    let changes = corpus.join("changes");
    let manifest = json(&changes.join("manifest.json"));
    let pairs: Vec<&serde_json::Value> =
        manifest.as_array().unwrap().iter().filter(|pair| pair["format"] == "graphql").collect();
    assert!(pairs.len() >= 13);
    for pair in pairs {
        let digest = |side: &str| -> Digest {
            read_one(&unpacked(&changes.join(pair[side].as_str().unwrap()))).unwrap().0.digest
        };
        assert_eq!(digest("before") == digest("after"), pair["verdict"] == "identical", "{}", pair["id"]);
    }
}

/// What graphql-js finds in a schema: for each field of a root type, and each type, its line and column.
const REFERENCE: &str = r#"
const { parse, Kind } = require("graphql");
let input = "";
process.stdin.setEncoding("utf8").on("data", (part) => (input += part)).on("end", () => {
  let document;
  try {
    document = parse(input, { maxTokens: undefined });
  } catch (error) {
    console.log(JSON.stringify({ error: error.locations[0] }));
    return;
  }
  const at = (node) => [node.loc.startToken.line, node.loc.startToken.column];
  const executable = document.definitions.find((node) => node.kind === Kind.OPERATION_DEFINITION || node.kind === Kind.FRAGMENT_DEFINITION);
  const roots = { query: "Query", mutation: "Mutation", subscription: "Subscription" };
  const schemas = document.definitions.filter((node) => node.kind === Kind.SCHEMA_DEFINITION || node.kind === Kind.SCHEMA_EXTENSION);
  if (schemas.some((node) => node.kind === Kind.SCHEMA_DEFINITION)) for (const root in roots) delete roots[root];
  for (const node of schemas) for (const type of node.operationTypes ?? []) roots[type.operation] = type.type.name.value;
  const operations = {};
  const items = {};
  const seen = (path, node) => { items[path] ??= at(node); };
  for (const node of document.definitions) {
    if (!node.name || node === executable) continue;
    const name = (node.kind === Kind.DIRECTIVE_DEFINITION ? "@" : "") + node.name.value;
    if (!node.kind.endsWith("Extension")) seen(name, node.name);
  }
  const ordered = [...document.definitions].sort((a, b) => a.kind.endsWith("Extension") - b.kind.endsWith("Extension"));
  for (const node of ordered) {
    if (!node.name) continue;
    const name = (node.kind === Kind.DIRECTIVE_DEFINITION ? "@" : "") + node.name.value;
    seen(name, node.name);
    for (const item of [...(node.fields ?? []), ...(node.values ?? [])]) {
      seen(`${name}.${item.name.value}`, item.name);
      for (const argument of item.arguments ?? []) seen(`${name}.${item.name.value}(${argument.name.value}:)`, argument.name);
    }
    for (const member of node.types ?? []) seen(`${name}.${member.name.value}`, member.name);
    if (node.kind === Kind.DIRECTIVE_DEFINITION) for (const argument of node.arguments ?? []) seen(`${name}(${argument.name.value}:)`, argument.name);
  }
  for (const root in roots) {
    for (const node of ordered) {
      if (node.name?.value !== roots[root] || !node.kind.startsWith("ObjectType")) continue;
      for (const field of node.fields ?? []) operations[`${root}.${field.name.value}`] ??= at(field.name);
    }
  }
  console.log(JSON.stringify({ executable: executable ? at(executable) : undefined, operations, items }));
});
"#;

/// Where graphql-js finds each of a list of schemas broken.
const BROKEN: &str = r#"
const { parse, Kind } = require("graphql");
let input = "";
process.stdin.setEncoding("utf8").on("data", (part) => (input += part)).on("end", () => {
  console.log(JSON.stringify(JSON.parse(input).map((text) => {
    try {
      return parse(text).definitions.some((node) => node.kind === Kind.OPERATION_DEFINITION || node.kind === Kind.FRAGMENT_DEFINITION);
    } catch (error) {
      return error.locations[0];
    }
  })));
});
"#;

fn reference(packages: &Path, script: &str, text: &str) -> serde_json::Value {
    let mut node = Command::new("node")
        .args(["-e", script])
        .env("NODE_PATH", packages)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // All is read before anything is written, so neither side waits for the other.
    node.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = node.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

fn packages() -> PathBuf {
    let packages = std::env::var_os("DOORWAY_NODE_PACKAGES").map(PathBuf::from);
    packages.expect("DOORWAY_NODE_PACKAGES names the folder of node's packages")
}

type Places = BTreeMap<String, (u64, u64)>;

fn places(found: &serde_json::Value) -> Places {
    let place = |at: &serde_json::Value| (at[0].as_u64().unwrap(), at[1].as_u64().unwrap());
    found.as_object().unwrap().iter().map(|(path, at)| (path.clone(), place(at))).collect()
}

fn operations(surface: &Surface) -> Places {
    let listed = surface.operations.iter().map(|operation| {
        let OperationKind::Field { root, name } = &operation.kind else { panic!("not a field") };
        let root = match root {
            Root::Query => "query",
            Root::Mutation => "mutation",
            Root::Subscription => "subscription",
        };
        let position = surface.position(operation.element).unwrap();
        (format!("{root}.{name}"), (u64::from(position.line), u64::from(position.column)))
    });
    let operations: Places = listed.collect();
    assert_eq!(operations.len(), surface.operations.len());
    operations
}

/// Every element that stands somewhere, by its path, but for the outcomes, which have the path of their field.
fn items(surface: &Surface) -> Places {
    let mut items = Places::new();
    for id in 1..u32::try_from(surface.positions.len()).unwrap() {
        let element = shared::surface::ElementId(id);
        let position = surface.position(element).unwrap();
        if !position.step.is_empty() && surface.facet(element, "surface.unresolved").is_none() {
            let place = (u64::from(position.line), u64::from(position.column));
            items.entry(surface.path(element)).or_insert(place);
        }
    }
    items
}

#[test]
#[ignore = "needs graphql-js, one of the reference tools that `cargo ci` installs"]
fn reference_graphql_js_finds_the_same_at_the_same_lines() {
    let packages = packages();
    let Some(corpus) = corpus() else { return };
    let mut all = documents(&corpus);
    all.push(("everything".to_owned(), super::EVERYTHING.to_owned(), false));
    let pairs = std::fs::read_dir(corpus.join("changes/graphql")).unwrap();
    all.extend(
        pairs.map(|entry| {
            (entry.as_ref().unwrap().path().display().to_string(), unpacked(&entry.unwrap().path()), false)
        }),
    );
    let (mut read, mut refused, mut count) = (0, 0, 0);
    for (id, text, _) in all {
        let expected = reference(&packages, REFERENCE, &text);
        match read_one(&text) {
            Err(ours) => {
                let place = match (&expected["error"], &expected["executable"]) {
                    (serde_json::Value::Object(error), _) => (error["line"].as_u64(), error["column"].as_u64()),
                    (_, at) => (at[0].as_u64(), at[1].as_u64()),
                };
                assert_eq!((ours.line.map(u64::from), ours.column.map(u64::from)), place, "{id}: {ours}");
                refused += 1;
            }
            Ok((surface, _)) => {
                assert_eq!(operations(&surface), places(&expected["operations"]), "{id}");
                assert_eq!(items(&surface), places(&expected["items"]), "{id}");
                read += 1;
                count += surface.operations.len();
            }
        }
    }
    println!("graphql-js agrees on {read} schemas with {count} operations, and on {refused} refusals");
    assert!(read > 30 && refused > 3 && count > 500);
}

#[test]
#[ignore = "needs graphql-js, one of the reference tools that `cargo ci` installs"]
fn reference_graphql_js_refuses_the_same_broken_schemas_at_the_same_place() {
    let texts = super::laws::damaged(3_000);
    let expected = reference(&packages(), BROKEN, &serde_json::to_string(&texts).unwrap());
    let (mut broken, mut good) = (0, 0);
    for (text, expected) in texts.iter().zip(expected.as_array().unwrap()) {
        let found = read_one(text);
        match (expected, found) {
            (serde_json::Value::Bool(false), Ok(_)) => good += 1,
            // Where queries begin we stop, whatever comes then.
            (_, Err(refused)) if refused.code == "executable" => assert_ne!(*expected, false, "{text}"),
            (serde_json::Value::Object(at), Err(refused)) => {
                let place = (at["line"].as_u64(), at["column"].as_u64());
                assert_eq!((refused.line.map(u64::from), refused.column.map(u64::from)), place, "{refused}: {text}");
                broken += 1;
            }
            (_, found) => panic!("graphql-js says {expected}, we say {:?}: {text}", found.map(|_| "read")),
        }
    }
    println!("graphql-js agrees on {broken} broken schemas and on {good} good ones");
    assert!(broken > 500 && good > 100);
}
