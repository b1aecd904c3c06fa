//! Markdown for a comment on a pull request.

use std::fmt::Write as _;

use super::foreign::markdown;
use super::{Report, SEVERITIES, Scene};
use crate::finding::Location;

/// Bytes of all of it: a comment on GitHub holds 65,536 characters.
const BYTES_MAX: usize = 60_000;
/// Operations that are listed of one finding.
const OPERATIONS_SHOWN: usize = 50;

/// Writes a report.
pub(super) fn write(report: &Report, scene: &Scene) -> String {
    // Writing to a `String` cannot fail, here and below.
    let mut out = format!("## API changes: {}\n\n{}\n", report.headline(), report.counts());
    for note in &report.notes {
        let _ = writeln!(out, "\n{}", markdown(note));
    }
    for (severity, name) in SEVERITIES {
        let rows: Vec<Row<'_>> = report
            .of_severity(severity)
            .map(|finding| Row {
                rule: format!("[`{}`]({})", finding.rule, scene.page(finding.rule)),
                summary: &finding.summary,
                before: finding.before.as_ref(),
                after: finding.after.as_ref(),
                operations: &finding.operations,
            })
            .collect();
        table(&mut out, name, &rows);
    }
    let rows: Vec<Row<'_>> = report
        .not_compared
        .iter()
        .map(|part| Row {
            rule: "not compared".to_owned(),
            summary: &part.summary,
            before: part.before.as_ref(),
            after: part.after.as_ref(),
            operations: &part.operations,
        })
        .collect();
    table(&mut out, "not compared", &rows);
    warnings(&mut out, report);
    out
}

/// A row of a table, and the operations that are listed below it.
struct Row<'a> {
    rule: String,
    summary: &'a str,
    before: Option<&'a Location>,
    after: Option<&'a Location>,
    operations: &'a [String],
}

fn table(out: &mut String, name: &str, rows: &[Row<'_>]) {
    if rows.is_empty() {
        return;
    }
    let _ = write!(
        out,
        "\n### {name} ({})\n\n| rule | what | where | operations |\n| --- | --- | --- | --- |\n",
        rows.len()
    );
    let mut shown = 0;
    for row in rows {
        let place = match (row.before, row.after) {
            (None, None) => String::new(),
            (Some(before), None) => format!("was {}", place(before)),
            (None, Some(after)) => place(after),
            (Some(before), Some(after)) => format!("{} → {}", place(before), place(after)),
        };
        let line = format!("| {} | {} | {place} | {} |\n", row.rule, markdown(row.summary), row.operations.len());
        // The lists of operations below want their part of the room.
        if out.len() + line.len() > BYTES_MAX / 2 {
            break;
        }
        out.push_str(&line);
        shown += 1;
    }
    if shown < rows.len() {
        let _ = writeln!(out, "\nand {} more", rows.len() - shown);
    }
    for (number, row) in rows.iter().take(shown).enumerate().filter(|(_, row)| !row.operations.is_empty()) {
        let listed: Vec<String> = row
            .operations
            .iter()
            .take(OPERATIONS_SHOWN)
            .map(|operation| format!("<code>{}</code>", markdown(operation)))
            .collect();
        let more = row.operations.len().saturating_sub(OPERATIONS_SHOWN);
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        let list = format!(
            "\n<details><summary>{name} {}: operations</summary>\n\n{}{more}\n\n</details>\n",
            number + 1,
            listed.join(", ")
        );
        if out.len() + list.len() > BYTES_MAX {
            break;
        }
        out.push_str(&list);
    }
}

fn place(location: &Location) -> String {
    let file = markdown(&location.file);
    if location.line == 0 { format!("<code>{file}</code>") } else { format!("<code>{file}:{}</code>", location.line) }
}

fn warnings(out: &mut String, report: &Report) {
    let count = report.warnings().count();
    if count == 0 {
        return;
    }
    let _ = write!(out, "\n<details><summary>warnings ({count})</summary>\n\n");
    for (side, warning) in report.warnings() {
        let file = if warning.file.is_empty() { String::new() } else { format!("{}, ", markdown(&warning.file)) };
        let line = format!("- {side}, {file}line {}: {}\n", warning.line, markdown(&warning.message));
        if out.len() + line.len() > BYTES_MAX {
            break;
        }
        out.push_str(&line);
    }
    out.push_str("\n</details>\n");
}
