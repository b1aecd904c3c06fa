//! Commands of GitHub Actions: what a step prints in this form is shown beside the lines of the pull request.
//!
//! GitHub shows ten of each kind for a step, so the worst come first, and the rest is counted in a line that is no command.

use std::fmt::Write as _;

use super::foreign::{command, property};
use super::{Report, Scene, place};
use crate::finding::{Location, Severity};

/// Annotations of one kind that GitHub shows of a step.
const SHOWN_MAX: usize = 10;

/// Writes a report.
pub(super) fn write(report: &Report, scene: &Scene) -> String {
    // Writing to a `String` cannot fail, here and below.
    let mut out = format!("{}: {}\n", report.headline(), report.counts());
    let of = |severity| {
        report.of_severity(severity).map(|finding| {
            (finding.rule, finding.summary.as_str(), place(finding.before.as_ref(), finding.after.as_ref()))
        })
    };
    let not_compared = report
        .not_compared
        .iter()
        .map(|part| ("not-compared", part.summary.as_str(), place(part.before.as_ref(), part.after.as_ref())));
    kind(&mut out, scene, "error", "breaking", of(Severity::Breaking));
    kind(&mut out, scene, "warning", "dangerous", of(Severity::Dangerous).chain(not_compared));
    kind(&mut out, scene, "notice", "compatible", of(Severity::Compatible));
    out
}

fn kind<'a>(
    out: &mut String,
    scene: &Scene,
    kind: &str,
    name: &str,
    all: impl Iterator<Item = (&'a str, &'a str, Option<&'a Location>)>,
) {
    let mut more = 0;
    for (number, (rule, summary, place)) in all.enumerate() {
        if number >= SHOWN_MAX {
            more += 1;
            continue;
        }
        let file = place.map_or(&scene.file, |place| &place.file);
        let mut properties = format!("file={}", property(file));
        if let Some(place) = place.filter(|place| place.line > 0) {
            let _ = write!(properties, ",line={}", place.line);
            if place.column > 0 {
                let _ = write!(properties, ",col={}", place.column);
            }
        }
        let _ = writeln!(out, "::{kind} {properties},title={}::{}", property(rule), command(summary));
    }
    if more > 0 {
        let _ = writeln!(out, "and {more} more: {name}");
    }
}
