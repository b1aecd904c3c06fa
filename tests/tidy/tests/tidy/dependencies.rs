//! What deny.toml says, for machines without cargo-deny.

use std::{collections::BTreeMap, fs};

use tidy::{licence, metadata::Graph, root};

use crate::none;

fn rules() -> toml::Table {
    fs::read_to_string(root().join("deny.toml")).unwrap().parse().unwrap()
}

fn listed(rules: &toml::Table, table: &str, field: &str) -> Vec<toml::Value> {
    rules[table][field].as_array().unwrap().clone()
}

fn names(entries: &[toml::Value]) -> Vec<String> {
    let name = |entry: &toml::Value| entry.as_str().or_else(|| entry.get("crate")?.as_str()).unwrap().to_owned();
    entries.iter().map(name).collect()
}

#[test]
fn every_dependency_has_a_licence_that_is_allowed() {
    let allowed = names(&listed(&rules(), "licenses", "allow"));
    let graph = Graph::load().unwrap();
    let mut findings = Vec::new();
    for package in graph.packages().filter(|package| package.source.is_some()) {
        let expression = package.licence.as_deref().unwrap_or("");
        if !licence::is_allowed(expression, &allowed) {
            findings.push(format!("{} {}: {expression:?}", package.name, package.version));
        }
    }
    none("licences that deny.toml does not allow", &findings);
}

#[test]
fn nothing_that_is_banned_is_in_a_function() {
    let banned = names(&listed(&rules(), "bans", "deny"));
    let graph = Graph::load().unwrap();
    let findings: Vec<String> = graph
        .reach(|folder| folder.starts_with("functions/"))
        .into_iter()
        .filter(|package| banned.contains(&package.name))
        .map(|package| format!("{} {}", package.name, package.version))
        .collect();
    none("banned in deny.toml", &findings);
}

#[test]
fn no_crate_is_in_the_functions_in_two_versions() {
    let skipped = names(&listed(&rules(), "bans", "skip"));
    let graph = Graph::load().unwrap();
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in graph.reach(|folder| folder.starts_with("functions/")) {
        versions.entry(&package.name).or_default().push(&package.version);
    }
    // `name@1.2` is every version that begins with 1.2, as in deny.toml itself.
    let is_skipped = |name: &str, version: &str| {
        skipped.iter().any(|skip| match skip.split_once('@') {
            Some((skipped, begin)) => {
                skipped == name && (version == begin || version.starts_with(&format!("{begin}.")))
            }
            None => skip == name,
        })
    };
    let mut findings = Vec::new();
    for (name, all) in versions {
        if all.len() > 1 && all.iter().filter(|version| !is_skipped(name, version)).count() > 1 {
            findings.push(format!("{name}: {}", all.join(", ")));
        }
    }
    none("two versions of a crate (agree on one, or add it to `skip` in deny.toml with a reason)", &findings);
}

#[test]
fn every_dependency_comes_from_the_registry() {
    let graph = Graph::load().unwrap();
    let findings: Vec<String> = graph
        .packages()
        .filter(|package| {
            package.source.as_deref().is_some_and(|source| !source.ends_with("github.com/rust-lang/crates.io-index"))
        })
        .map(|package| format!("{} from {}", package.name, package.source.as_deref().unwrap_or("")))
        .collect();
    none("not from crates.io", &findings);
}
