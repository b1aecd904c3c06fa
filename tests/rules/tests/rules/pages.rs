//! Every rule has a page, and the pages are true: the engine finds the rule in the first example and in no other way, and does not find it in the second.

use std::collections::BTreeSet;

use catalog::readers::{Files, protobuf};
use catalog::upload::{self, Hint};
use contracts::compare::{Settings, compare};
use contracts::{pages, rules};
use shared::surface::Surface;

/// A document on a page.
struct Fence {
    syntax: String,
    side: String,
    text: String,
}

/// The documents on a page, which are fenced with the format and the side: `yaml before`.
fn fences(page: &str) -> Vec<Fence> {
    let mut found: Vec<Fence> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        match (inside, line.strip_prefix("```")) {
            (false, Some(words)) => {
                let (syntax, side) = words.split_once(' ').unwrap_or((words, ""));
                found.push(Fence { syntax: syntax.to_owned(), side: side.to_owned(), text: String::new() });
                inside = true;
            }
            (true, Some("")) => inside = false,
            (true, _) => found.last_mut().unwrap().text.extend([line, "\n"]),
            (false, None) => {}
        }
    }
    found
}

fn read(fence: &Fence) -> Result<Surface, String> {
    let bytes = fence.text.clone().into_bytes();
    // Uploads know no Protocol Buffers yet: their reader does.
    if fence.syntax == "proto" {
        let files = Files::one("document.proto", bytes);
        return protobuf::read(&files, &["document.proto"]).map(|read| read.0).map_err(|refused| refused.message);
    }
    let filename = match fence.syntax.as_str() {
        "yaml" => "document.yaml",
        "graphql" => "document.graphql",
        other => return Err(format!("the format `{other}` is not read")),
    };
    let read = upload::read(&bytes, Hint { filename: Some(filename), ..Hint::default() })
        .map_err(|refused| refused.message)?;
    match read.warnings.first() {
        Some(warning) => Err(format!("line {}: {}", warning.line, warning.message)),
        None => Ok(read.surface),
    }
}

/// The rules that are found between two documents, each with its severity.
fn found(before: &Fence, after: &Fence) -> Result<BTreeSet<String>, String> {
    if [&before.side[..], &after.side] != ["before", "after"] {
        return Err(format!("`{}` and `{}` are no pair", before.side, after.side));
    }
    let comparison = compare(&read(before)?, &read(after)?, Settings::default());
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
    let fences = fences(page);
    let [before, after, other_before, other_after] = &fences[..] else {
        return Some(format!("it has {} documents, not two pairs", fences.len()));
    };
    match found(before, after) {
        Err(error) => return Some(format!("the example: {error}")),
        Ok(found) if found.len() != 1 || !found.iter().all(|one| one.ends_with(&format!(" {}", rule.id))) => {
            return Some(format!("the example is found as {found:?}"));
        }
        Ok(_) => {}
    }
    match found(other_before, other_after) {
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
        .flat_map(|(id, page)| fences(page).into_iter().map(move |fence| (id, fence)))
        .filter_map(|(id, fence)| Some(format!("{id}, {}: {}", fence.side, read(&fence).err()?)))
        .collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}
