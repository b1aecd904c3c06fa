//! The reader against the format's own tools, over every document of the corpora and every pair of changes.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::upload::{Hint, read};

/// What the tools find in some files: for each the method, the path and the line of every operation.
fn tools(packages: &Path, files: &[PathBuf]) -> Vec<Vec<(String, String, u32)>> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reference/operations.mjs");
    let output = Command::new("node").arg(script).arg(packages).args(files).output().expect("node runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
#[ignore = "needs @readme/openapi-parser and yaml, among the reference tools that `cargo ci` installs"]
fn reference_openapi_parser_finds_the_same_operations_at_the_same_lines() {
    let packages = std::env::var_os("DOORWAY_NODE_PACKAGES").map(PathBuf::from);
    let packages = packages.expect("DOORWAY_NODE_PACKAGES names the folder of node's packages");
    let corpus = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpus"));
    if !corpus.is_dir() {
        eprintln!("skipped: {} is absent", corpus.display());
        return;
    }
    let folders = ["openapi-2.0", "openapi-3.0", "openapi-3.1", "openapi-3.2", "changes/openapi"];
    let entries = folders.iter().flat_map(|folder| std::fs::read_dir(corpus.join(folder)).unwrap());
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
    files.sort_unstable();
    let (mut documents, mut operations) = (0, 0);
    for (file, expected) in files.iter().zip(tools(&packages, &files)) {
        let bytes = super::tests::unpacked(file);
        let name = file.file_name().unwrap().to_str().unwrap().trim_end_matches(".gz");
        let document = read(&bytes, Hint { filename: Some(name), ..Hint::default() })
            .unwrap_or_else(|refused| panic!("{name}: {refused}"));
        let found = document.operations.into_iter().map(|found| (found.method, found.path, found.line));
        let (mut found, mut expected): (Vec<_>, Vec<_>) = (found.collect(), expected);
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{name}");
        documents += 1;
        operations += found.len();
    }
    println!("{documents} documents with {operations} operations are read as the tools read them");
    assert!(documents > 80 && operations > 3_900, "{documents} {operations}");
}
