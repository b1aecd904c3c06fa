//! Doorway guards Doorway: the functions' API documents and the events against those of the last release. What breaks a caller or a consumer fails, unless
//! CHANGELOG.md approves it under "Unreleased", by its fingerprint and with a reason:
//!
//! ```text
//! - Approved break `0123456789abcdef0123456789abcdef`: nobody could use the field.
//! ```

mod own;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use catalog::upload::{self, Hint};
use contracts::compare::{Settings, compare};
use contracts::finding::{Comparison, Severity};

/// What an approval begins with in the changelog.
const APPROVAL: &str = "- Approved break ";

/// A document that is guarded, by its paths from the repository's root.
struct Guarded {
    current: PathBuf,
    released: PathBuf,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// The document of every function, and that of the events.
fn guarded() -> Vec<Guarded> {
    let entries = std::fs::read_dir(root().join("functions")).unwrap().map(Result::unwrap);
    let mut names: Vec<_> = entries.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name()).collect();
    names.sort_unstable();
    let folders = names.iter().map(|name| (Path::new("functions").join(name), "openapi.json"));
    folders
        .chain([("shared".into(), "events.json")])
        .map(|(folder, file)| Guarded { current: folder.join(file), released: folder.join("released").join(file) })
        .collect()
}

fn compared(released: &[u8], current: &[u8]) -> Comparison {
    let surface = |bytes: &[u8]| upload::read(bytes, Hint::default()).unwrap().surface;
    compare(&surface(released), &surface(current), Settings::default())
}

/// The approvals of the section "Unreleased", each by its fingerprint with its reason, and the lines that would be some and cannot be read.
fn approvals(changelog: &str) -> (BTreeMap<&str, &str>, Vec<String>) {
    let section = changelog.lines().skip_while(|line| line.trim_end() != "## Unreleased").skip(1);
    let (mut approved, mut complaints) = (BTreeMap::new(), Vec::new());
    for line in section.take_while(|line| !line.starts_with("## ")) {
        if !line.to_lowercase().contains("approved break") {
            continue;
        }
        let parts = line.strip_prefix(APPROVAL).and_then(|rest| rest.strip_prefix('`')?.split_once("`: "));
        match parts.filter(|(fingerprint, why)| is_fingerprint(fingerprint) && !why.trim().is_empty()) {
            Some((fingerprint, why)) => {
                approved.insert(fingerprint, why);
            }
            None => complaints.push(format!(
                "CHANGELOG.md: `{line}` is no approval: write {APPROVAL}`32 hexadecimal digits`: the reason, from the beginning of a line"
            )),
        }
    }
    (approved, complaints)
}

fn is_fingerprint(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// What is wrong, one text each: breaks that nobody approved, what could not be compared, approvals that nothing needs.
fn judge(compared: &[(String, Comparison)], changelog: &str) -> Vec<String> {
    let (approved, mut complaints) = approvals(changelog);
    let mut stale = approved.clone();
    for (document, comparison) in compared {
        for found in comparison.findings.iter().filter(|found| found.severity == Severity::Breaking) {
            stale.remove(&*found.fingerprint);
            if approved.contains_key(&*found.fingerprint) {
                continue;
            }
            complaints.push(format!(
                "{document}: {}: {}\n    operations: {}\n    {APPROVAL}`{}`: why it may be",
                found.rule,
                found.summary,
                found.operations.join(", "),
                found.fingerprint
            ));
        }
        for part in &comparison.not_compared {
            let operations = part.operations.join(", ");
            complaints.push(format!("{document}: not compared: {}\n    operations: {operations}", part.summary));
        }
    }
    let stale = stale.keys().map(|fingerprint| {
        format!("CHANGELOG.md: nothing that is released breaks by `{fingerprint}`: take its line out")
    });
    complaints.extend(stale);
    complaints
}

/// With `UPDATE_RELEASED=1` in the environment, today's documents become the released ones first: that is part of making a release.
#[test]
fn what_was_released_does_not_break_unless_the_changelog_approves_it() {
    let is_release = std::env::var_os("UPDATE_RELEASED").is_some();
    let (mut comparisons, mut complaints) = (Vec::new(), Vec::new());
    for Guarded { current, released } in guarded() {
        let text =
            std::fs::read(root().join(&current)).unwrap_or_else(|error| panic!("{}: {error}", current.display()));
        if is_release {
            std::fs::create_dir_all(root().join(&released).parent().unwrap()).unwrap();
            std::fs::write(root().join(&released), &text).unwrap();
        }
        match std::fs::read(root().join(&released)) {
            Ok(before) => comparisons.push((current.display().to_string(), compared(&before, &text))),
            Err(error) => complaints.push(format!(
                "{}: {error}. A new function begins with the document that it has: install -D {} {0}",
                released.display(),
                current.display()
            )),
        }
    }
    assert!(comparisons.len() + complaints.len() > 9, "the functions and the events");
    let changelog = std::fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    complaints.extend(judge(&comparisons, &changelog));
    let told = complaints.iter().fold(String::new(), |mut told, complaint| {
        writeln!(told, "- {complaint}").unwrap();
        told
    });
    assert!(
        complaints.is_empty(),
        "against the last release:\n{told}\nTake the change back; or, where it must be, write the line `{APPROVAL}…` into CHANGELOG.md under Unreleased, with the reason."
    );
}

/// An answer with a field `name`, which is always there, and what else the fields say.
fn answering(fields: &str) -> String {
    format!(
        r#"{{"openapi": "3.1.0", "info": {{"title": "t", "version": "1"}}, "paths": {{"/things": {{"get": {{"operationId": "list_things",
            "responses": {{"200": {{"description": "ok", "content": {{"application/json": {{"schema":
            {{"type": "object", "required": ["id"], "properties": {{"id": {{"type": "string"}}{fields}}}}}}}}}}}}}}}}}}}}}"#
    )
}

const NAME: &str = r#", "name": {"type": "string"}"#;

fn judged(before: &str, after: &str, changelog: &str) -> Vec<String> {
    judge(&[("t.json".to_owned(), compared(before.as_bytes(), after.as_bytes()))], changelog)
}

/// The fingerprint of the field `name` going away: it stays the same for ever, or approvals would not hold.
const NAME_GONE: &str = "513cb38e39a45bc73a26a081db365f3c";

#[test]
fn a_break_without_an_approval_is_told_with_the_line_that_would_approve_it() {
    let complaints = judged(&answering(NAME), &answering(""), "# Changelog\n\n## Unreleased\n");
    assert_eq!(complaints.len(), 1, "{complaints:?}");
    assert!(complaints[0].starts_with("t.json: response-field-removed: "), "{complaints:?}");
    assert!(complaints[0].contains("\n    operations: list_things\n"), "{complaints:?}");
    assert!(complaints[0].ends_with(&format!("\n    - Approved break `{NAME_GONE}`: why it may be")), "{complaints:?}");
}

#[test]
fn a_break_with_an_approval_passes() {
    let changelog = format!(
        "# Changelog\n\n## Unreleased\n\n### Removed\n\n- Approved break `{NAME_GONE}`: nobody has names.\n\n## 1.0.0\n"
    );
    assert_eq!(judged(&answering(NAME), &answering(""), &changelog), [""; 0]);
}

#[test]
fn an_approval_of_an_earlier_release_approves_nothing_now_and_is_not_stale() {
    let changelog =
        format!("## Unreleased\n\n- Something.\n\n## 1.0.0\n\n- Approved break `{NAME_GONE}`: nobody has names.\n");
    assert_eq!(judged(&answering(NAME), &answering(""), &changelog).len(), 1);
    assert_eq!(judged(&answering(NAME), &answering(NAME), &changelog), [""; 0]);
}

#[test]
fn an_approval_that_no_break_needs_is_stale() {
    let changelog = format!("## Unreleased\n\n- Approved break `{NAME_GONE}`: nobody has names.\n");
    for after in [answering(NAME), answering(r#", "name": {"type": "string"}, "note": {"type": "string"}"#)] {
        let complaints = judged(&answering(NAME), &after, &changelog);
        let want = format!("CHANGELOG.md: nothing that is released breaks by `{NAME_GONE}`: take its line out");
        assert_eq!(complaints, [want]);
    }
}

#[test]
fn an_approval_without_a_reason_or_with_half_a_fingerprint_approves_nothing() {
    for line in [
        format!("- Approved break `{NAME_GONE}`: "),
        format!("- Approved break `{NAME_GONE}`"),
        format!("- Approved break {NAME_GONE}: nobody has names."),
        format!("  - Approved break `{NAME_GONE}`: nobody has names."),
        format!("- approved break `{NAME_GONE}`: nobody has names."),
        format!("- Approved break `{}`: nobody has names.", &NAME_GONE[..16]),
        format!("- Approved break `{}`: nobody has names.", NAME_GONE.to_uppercase()),
    ] {
        let complaints = judged(&answering(NAME), &answering(""), &format!("## Unreleased\n\n{line}\n"));
        assert_eq!(complaints.len(), 2, "{line}: {complaints:?}");
        assert!(complaints[0].contains("is no approval"), "{complaints:?}");
    }
}

#[test]
fn what_breaks_nobody_passes() {
    let after = answering(r#", "name": {"type": "string"}, "note": {"type": "string"}"#);
    assert_eq!(judged(&answering(NAME), &after, "## Unreleased\n"), [""; 0]);
    assert_eq!(judged(&answering(NAME), &answering(NAME), ""), [""; 0]);
}

#[test]
fn what_cannot_be_compared_does_not_pass() {
    let before = answering(r#", "name": {"if": {"minLength": 2}, "then": {"pattern": "^a"}}"#);
    let after = answering(r#", "name": {"if": {"minLength": 3}, "then": {"pattern": "^b"}}"#);
    let complaints = judged(&before, &after, "## Unreleased\n");
    assert!(complaints.iter().any(|complaint| complaint.starts_with("t.json: not compared: ")), "{complaints:?}");
}
