//! Which crate may know of which.

use tidy::{FUNCTIONS, metadata::Graph, root};

use crate::none;

#[test]
fn a_function_depends_on_nothing_of_ours_but_shared_and_its_tests_on_their_house() {
    let graph = Graph::load().unwrap();
    let mut findings = Vec::new();
    for (folder, package) in graph.ours().filter(|(folder, _)| folder.starts_with("functions/")) {
        for dependency in package.depends.iter().filter_map(|id| graph.get(id)?.folder.as_deref()) {
            if dependency != "shared" {
                findings.push(format!("{folder} depends on {dependency}"));
            }
        }
        for dependency in package.tests_depend.iter().filter_map(|id| graph.get(id)?.folder.as_deref()) {
            if !["shared", "tests/house"].contains(&dependency) {
                findings.push(format!("the tests of {folder} depend on {dependency}"));
            }
        }
    }
    // What the tests of every function stand on must not bring another function in.
    let (_, house) = graph.ours().find(|(folder, _)| *folder == "tests/house").unwrap();
    for dependency in house.depends.iter().chain(&house.tests_depend).filter_map(|id| graph.get(id)?.folder.as_deref())
    {
        if dependency != "shared" {
            findings.push(format!("tests/house depends on {dependency}"));
        }
    }
    none("what crosses a function's boundary goes over HTTP or an event", &findings);
}

#[test]
fn shared_depends_on_nothing_of_ours() {
    let graph = Graph::load().unwrap();
    let (_, shared) = graph.ours().find(|(folder, _)| *folder == "shared").unwrap();
    let ours: Vec<String> =
        shared.depends.iter().chain(&shared.tests_depend).filter_map(|id| graph.get(id)?.folder.clone()).collect();
    none("shared is at the bottom", &ours);
}

#[test]
fn every_function_is_a_crate_a_binary_and_a_folder_of_one_name() {
    let graph = Graph::load().unwrap();
    let mut have: Vec<(&str, &str)> = graph
        .ours()
        .filter_map(|(folder, package)| Some((folder.strip_prefix("functions/")?, package.name.as_str())))
        .collect();
    have.sort_unstable();
    let mut want: Vec<(&str, &str)> = FUNCTIONS.iter().map(|name| (*name, *name)).collect();
    want.sort_unstable();
    assert_eq!(have, want, "the functions that tidy knows, and the folders of functions/");
}

#[test]
fn every_crate_takes_version_edition_and_lints_from_the_workspace() {
    let graph = Graph::load().unwrap();
    let mut findings = Vec::new();
    for (folder, _) in graph.ours() {
        let manifest: toml::Table =
            std::fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap().parse().unwrap();
        let inherits = |table: &str, field: Option<&str>| {
            let found = manifest.get(table).and_then(|table| field.map_or(Some(table), |field| table.get(field)));
            found.and_then(|value| value.get("workspace")).and_then(toml::Value::as_bool) == Some(true)
        };
        for field in ["version", "edition", "rust-version", "license", "publish"] {
            if !inherits("package", Some(field)) {
                findings.push(format!("{folder}/Cargo.toml: package.{field}"));
            }
        }
        if !inherits("lints", None) {
            findings.push(format!("{folder}/Cargo.toml: lints"));
        }
    }
    none("these want `.workspace = true`", &findings);
}
