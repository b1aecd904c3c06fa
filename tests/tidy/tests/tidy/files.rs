//! What stands where, and how long it is.

use std::{collections::BTreeSet, fs};

use tidy::{root, texts};

use crate::none;

const LINES_MAX: usize = 600;

fn has_extension(path: &str, extensions: &[&str]) -> bool {
    std::path::Path::new(path).extension().is_some_and(|have| extensions.iter().any(|extension| have == *extension))
}

#[test]
fn the_top_level_has_what_the_design_draws_and_nothing_else() {
    let allowed: BTreeSet<&str> = ["functions", "shared", "tests", "target"].into();
    let findings: Vec<String> = fs::read_dir(root())
        .unwrap()
        .filter_map(Result::ok)
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.') && !allowed.contains(name.as_str()))
        .collect();
    none("folders that the design does not have", &findings);
    for name in
        ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "LICENSE", "template.yaml", "samconfig.toml", "Cargo.lock"]
    {
        assert!(root().join(name).is_file(), "{name} is missing");
    }
}

#[test]
fn no_source_file_is_too_long() {
    let mut findings = Vec::new();
    for text in texts().unwrap() {
        let lines = text.content.lines().count();
        if has_extension(&text.path, &["rs"]) && lines > LINES_MAX {
            findings.push(format!("{}: {lines} lines", text.path));
        }
    }
    none("split what has more than 600 lines", &findings);
}

#[test]
fn no_folder_is_a_drawer_for_everything() {
    let drawers = ["utils", "util", "common", "helpers", "misc"];
    let is_drawer = |part: &str| drawers.contains(&part.trim_end_matches(".rs"));
    let findings: Vec<String> =
        texts().unwrap().into_iter().map(|text| text.path).filter(|path| path.split('/').any(is_drawer)).collect();
    none("name it by what it does", &findings);
}

#[test]
fn no_text_names_a_path_of_somebodys_machine() {
    // Put together here, so that this file does not find itself.
    let paths: Vec<String> = ["work", "root", "home", "Users"].iter().map(|folder| format!("/{folder}/")).collect();
    let mut findings = Vec::new();
    for text in texts().unwrap() {
        for (number, line) in text.content.lines().enumerate() {
            for path in &paths {
                // In a URL or a relative path it is none.
                let absolute = line.match_indices(path).any(|(at, _)| {
                    let before = line.get(..at).and_then(|before| before.chars().next_back());
                    before.is_none_or(|before| before.is_whitespace() || "\"'`(=:".contains(before))
                });
                if absolute {
                    findings.push(format!("{}:{}: {path}", text.path, number + 1));
                }
            }
        }
    }
    none("paths of a machine", &findings);
}

#[test]
fn every_text_ends_with_one_line_end_and_has_no_trailing_blanks() {
    let mut findings = Vec::new();
    for text in texts().unwrap() {
        let written = has_extension(&text.path, &["rs", "toml", "md", "yaml"]);
        if !written || text.content.is_empty() || text.path.contains("/events/") || text.path.contains("snapshots/") {
            continue;
        }
        if !text.content.ends_with('\n') || text.content.ends_with("\n\n") {
            findings.push(format!("{}: its end", text.path));
        }
        for (number, line) in text.content.lines().enumerate() {
            if line.ends_with([' ', '\t']) {
                findings.push(format!("{}:{}", text.path, number + 1));
            }
        }
    }
    none("blanks at the end", &findings);
}
