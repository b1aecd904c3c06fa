//! Documents that are measured: those of the corpora beside the repository, and edits of ours that make a second one of a first.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use catalog::readers::{Files, Warnings, graphql, openapi, protobuf};
use dev::workspace;
use shared::surface::Surface;

/// GitHub's REST API, 11 MB, and the same half a year later.
pub const GITHUB_BEFORE: &str = "large/github-19.1.0.json.gz";
/// 13 MB.
pub const GITHUB_AFTER: &str = "large/github-23.0.2.json.gz";
/// Stripe's API, 3.7 MB, and the same half a year later.
pub const STRIPE_BEFORE: &str = "large/stripe-2021-08-23.json.gz";
/// 4 MB.
pub const STRIPE_AFTER: &str = "large/stripe-2022-04-12.json.gz";
/// GitHub's GraphQL schema, 1.2 MB.
pub const GITHUB_SCHEMA: &str = "graphql-sdl/graphql-schema-schema-720362.graphql.gz";

fn corpus() -> PathBuf {
    workspace::root().join("../shared/corpus")
}

/// Whether the corpora are there.
pub fn are_there() -> bool {
    corpus().is_dir()
}

/// A document of the corpora.
pub fn unpacked(file: &str) -> String {
    let mut text = String::new();
    flate2::read::GzDecoder::new(fs::File::open(corpus().join(file)).unwrap()).read_to_string(&mut text).unwrap();
    text
}

/// 419 protos of googleapis, into a folder.
pub fn protos(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let archive = corpus().join("large/googleapis-before.tar.gz");
    assert!(Command::new("tar").arg("xzf").arg(archive).arg("-C").arg(folder).status().unwrap().success());
    // The package of Python has this file under another name.
    let operations = folder.join("google/longrunning/operations.proto");
    if !operations.exists() {
        fs::create_dir_all(operations.parent().unwrap()).unwrap();
        fs::write(&operations, "syntax = \"proto3\"; import public \"google/longrunning/operations_proto.proto\";")
            .unwrap();
    }
}

/// A document, or the protos of a folder.
pub fn load(path: &Path) -> Files {
    let mut files = Files::default();
    if path.is_dir() {
        for file in proto_files(path) {
            files.add(file.strip_prefix(path).unwrap().to_str().unwrap(), fs::read(&file).unwrap());
        }
    } else {
        files.add(path.file_name().unwrap().to_str().unwrap(), fs::read(path).unwrap());
    }
    files
}

/// The protos below a folder, sorted.
pub fn proto_files(folder: &Path) -> Vec<PathBuf> {
    let (mut folders, mut files) = (vec![folder.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "proto") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// Reads files of a format, with our reader.
pub fn read(format: &str, files: &Files) -> (Surface, Warnings) {
    let roots: Vec<&str> = files.paths().collect();
    let read = match format {
        "openapi" => openapi::read(files, &roots),
        "graphql" => graphql::read(files, &roots),
        _ => protobuf::read(files, &roots),
    };
    read.unwrap()
}

/// Makes a later document of an earlier one, always the same: of the places where something can be changed, every so-maniest is. It may be told of several
/// texts, one after the other.
#[derive(Debug, Default)]
pub struct Edits {
    places: Vec<usize>,
}

impl Edits {
    /// With a line changed: every `every`-th that begins and ends so and has this in it has something else in its place, or nothing at all of the line.
    fn line(&mut self, line: &str, edits: &[Edit]) -> Option<String> {
        self.places.resize(edits.len(), 0);
        let mut line = line.to_owned();
        for (edit, place) in edits.iter().zip(&mut self.places) {
            if line.contains(edit.find) && line.trim_end().ends_with(edit.end) {
                *place += 1;
                if *place % edit.every == 0 {
                    line = line.replacen(edit.find, edit.put?, 1);
                }
            }
        }
        Some(line)
    }

    /// The later document.
    pub fn of(&mut self, format: &str, text: &str) -> String {
        let edits = edits(format);
        let lines = text.split_inclusive('\n');
        lines.filter_map(|line| self.line(line, edits)).collect()
    }
}

/// An edit of a line.
struct Edit {
    every: usize,
    find: &'static str,
    end: &'static str,
    /// What comes instead; nothing takes the line away.
    put: Option<&'static str>,
}

/// Edits of what the texts of each format look like here: types that change, fields and limits that come or go.
fn edits(format: &str) -> &'static [Edit] {
    match format {
        "openapi" => &[
            Edit { every: 10, find: r#""size": {"type": "integer", "minimum": 0}, "#, end: "", put: Some("") },
            Edit { every: 15, find: r#""maxLength": 40"#, end: "", put: Some(r#""maxLength": 30"#) },
            Edit { every: 20, find: r#"["id"]"#, end: "", put: Some(r#"["id", "tags"]"#) },
        ],
        "graphql" => &[
            Edit { every: 40, find: ": String!", end: ": String!", put: Some(": String") },
            Edit { every: 30, find: ": Boolean!", end: ": Boolean!", put: Some("Before: Boolean!") },
            Edit { every: 30, find: ": Int!", end: ": Int!", put: Some(": Float!") },
            Edit { every: 50, find: "first: Int", end: "", put: Some("first: Int!") },
        ],
        _ => &[
            Edit { every: 40, find: "  string ", end: ";", put: Some("  bytes ") },
            Edit { every: 20, find: "  bool ", end: ";", put: None },
            Edit { every: 20, find: "  int32 ", end: ";", put: Some("  int64 ") },
        ],
    }
}

#[cfg(test)]
mod tests {
    use contracts::compare::{Settings, compare};
    use contracts::finding::Verdict;

    use super::*;
    use crate::generated;

    #[test]
    fn a_later_document_can_be_read_and_breaks_something() {
        let texts = [
            ("openapi", generated::openapi(100)),
            ("graphql", generated::graphql(100)),
            ("protobuf", generated::protobuf(100)),
        ];
        for (format, before) in texts {
            let after = Edits::default().of(format, &before);
            let [before, after] = [before, after].map(|text| read(format, &Files::one("a", text.into_bytes())).0);
            let found = compare(&before, &after, Settings::default());
            assert_eq!(found.verdict, Verdict::Breaking, "{format}");
            assert!(found.findings.len() > 2, "{format}: {:?}", found.findings);
        }
    }

    #[test]
    fn every_so_maniest_line_is_changed_or_gone_over_several_texts() {
        let mut edits = Edits::default();
        let text = "  bool a = 1;\n".repeat(19);
        assert_eq!(edits.of("protobuf", &text), text);
        assert_eq!(
            edits.of("protobuf", "  bool b = 2;\n  bool c = 3; // no end\n  bool d = 4;\n"),
            "  bool c = 3; // no end\n  bool d = 4;\n"
        );
    }
}
