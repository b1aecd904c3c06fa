//! Every rule has a page, and the pages are true: the engine finds the rule in the first example and in no other way, and does not find it in the second.

use std::collections::BTreeSet;

use catalog::readers::{Files, protobuf};
use catalog::upload::{self, Hint};
use contracts::compare::{Level, Settings, compare};
use contracts::{pages, rules};
use shared::surface::Surface;

/// A document on a page: one file, or several.
struct Document {
    syntax: String,
    side: String,
    /// The texts of the files, after their paths.
    files: Vec<(String, String)>,
}

/// The documents on a page, which are fenced with the format and the side: `yaml before`. One of several files has a fence for each, with its path as well:
/// `proto before pets.proto`.
fn documents(page: &str) -> Vec<Document> {
    let mut found: Vec<Document> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        match (inside, line.strip_prefix("```")) {
            (false, Some(words)) => {
                let mut words = words.split(' ').map(str::to_owned);
                let (syntax, side) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
                let path = words.next().unwrap_or_else(|| format!("document.{syntax}"));
                match found.last_mut() {
                    Some(last) if last.side == side => last.files.push((path, String::new())),
                    _ => found.push(Document { syntax, side, files: vec![(path, String::new())] }),
                }
                inside = true;
            }
            (true, Some("")) => inside = false,
            (true, _) => found.last_mut().unwrap().files.last_mut().unwrap().1.extend([line, "\n"]),
            (false, None) => {}
        }
    }
    found
}

fn read(document: &Document) -> Result<Surface, String> {
    // Uploads know no Protocol Buffers yet: their reader does.
    if document.syntax == "proto" {
        let mut files = Files::default();
        for (path, text) in &document.files {
            files.add(path, text.clone().into_bytes());
        }
        let roots: Vec<&str> = files.paths().collect();
        return protobuf::read(&files, &roots).map(|read| read.0).map_err(|refused| refused.message);
    }
    if !matches!(document.syntax.as_str(), "yaml" | "graphql") {
        return Err(format!("the format `{}` is not read", document.syntax));
    }
    let [(path, text)] = &document.files[..] else {
        return Err(format!("it has {} files, and only `proto` may have several", document.files.len()));
    };
    let read = upload::read(text.as_bytes(), Hint { filename: Some(path), ..Hint::default() })
        .map_err(|refused| refused.message)?;
    match read.warnings.first() {
        Some(warning) => Err(format!("line {}: {}", warning.line, warning.message)),
        None => Ok(read.surface),
    }
}

/// What cannot be found without something that breaks nobody.
const ALSO: [(&str, &str); 4] = [
    ("protobuf-field-oneof-changed", "Breaking protobuf-field-cardinality-changed"),
    ("protobuf-oneof-removed", "Breaking protobuf-field-removed"),
    ("protobuf-file-package-changed", "Compatible protobuf-type-added"),
    ("protobuf-package-removed", "Compatible protobuf-file-removed"),
];

/// How the example of a rule is compared. At the level of files, the file says that a package is gone.
fn settings(rule: &rules::Rule) -> Settings {
    Settings { level: if rule.id == "protobuf-package-removed" { Level::Package } else { Level::default() } }
}

/// The rules that are found between two documents, each with its severity.
fn found(before: &Document, after: &Document, settings: Settings) -> Result<BTreeSet<String>, String> {
    if [&before.side[..], &after.side] != ["before", "after"] {
        return Err(format!("`{}` and `{}` are no pair", before.side, after.side));
    }
    let comparison = compare(&read(before)?, &read(after)?, settings);
    if let Some(part) = comparison.not_compared.first() {
        return Err(format!("not compared: {}", part.summary));
    }
    Ok(comparison.findings.iter().map(|finding| format!("{:?} {}", finding.severity, finding.rule)).collect())
}

fn wrong(rule: &rules::Rule, page: &str) -> Option<String> {
    let title = format!("# {}\n\n{}\n", rule.id, rule.title);
    let severity = format!("\n**{:?}.** ", rule.severity);
    for part in [&title, &severity, "\n## Example\n", "\n## What to do\n", "\n## Not this\n"] {
        if !page.contains(part) {
            return Some(format!("it lacks `{}`", part.trim()));
        }
    }
    let documents = documents(page);
    let [before, after, other_before, other_after] = &documents[..] else {
        return Some(format!("it has {} documents, not two pairs", documents.len()));
    };
    let alone = |mut found: BTreeSet<String>| {
        found.retain(|one| !ALSO.contains(&(rule.id, one.as_str())));
        found
    };
    match found(before, after, settings(rule)).map(alone) {
        Err(error) => return Some(format!("the example: {error}")),
        Ok(found) if found.len() != 1 || !found.iter().all(|one| one.ends_with(&format!(" {}", rule.id))) => {
            return Some(format!("the example is found as {found:?}"));
        }
        Ok(_) => {}
    }
    match found(other_before, other_after, settings(rule)) {
        Err(error) => Some(format!("what it does not mean: {error}")),
        Ok(found) if found.iter().any(|one| one.ends_with(&format!(" {}", rule.id))) => {
            Some(format!("what it does not mean is found as {found:?}"))
        }
        Ok(_) => None,
    }
}

#[test]
fn every_rule_has_a_page_and_every_page_a_rule() {
    let with_page: BTreeSet<&str> = pages::ALL.iter().map(|(id, _)| *id).collect();
    let ids: BTreeSet<&str> = rules::ALL.iter().map(|rule| rule.id).collect();
    let missing: Vec<String> = ids
        .difference(&with_page)
        .map(|id| format!("rules/{id}.md is missing: write it, and its line in pages.rs"))
        .collect();
    let orphans: Vec<String> =
        with_page.difference(&ids).map(|id| format!("rules/{id}.md has no rule: take it away")).collect();
    assert!(missing.is_empty() && orphans.is_empty(), "\n{}", [missing, orphans].concat().join("\n"));
    assert_eq!(with_page.len(), pages::ALL.len(), "a page is listed twice");
}

#[test]
fn what_a_page_shows_is_found_and_what_it_excludes_is_not() {
    let faults: Vec<String> = rules::ALL
        .iter()
        .filter_map(|rule| Some(format!("{}: {}", rule.id, wrong(rule, pages::page(rule.id)?)?)))
        .collect();
    assert!(faults.is_empty(), "{} pages are wrong:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn the_documents_of_every_page_are_read_without_a_warning() {
    let faults: Vec<String> = pages::ALL
        .iter()
        .flat_map(|(id, page)| documents(page).into_iter().map(move |document| (id, document)))
        .filter_map(|(id, document)| Some(format!("{id}, {}: {}", document.side, read(&document).err()?)))
        .collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}
