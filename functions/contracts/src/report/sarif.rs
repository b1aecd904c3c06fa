//! SARIF 2.1.0 (OASIS), as GitHub's code scanning takes it: at most 5,000 results are shown of a run, of 25,000 that are taken, and each wants a place.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ring::digest::{SHA256, digest};
use serde::Serialize;

use super::foreign::{clean, sarif};
use super::{Report, Scene, place};
use crate::finding::{Location, Severity};
use crate::pages;
use crate::rules::{self, Rule};

/// Results of a run that GitHub shows.
const RESULTS_MAX: usize = 5_000;
/// What a path may have in a URI.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_').remove(b'~');
/// The rule of what was not compared.
const NOT_COMPARED: &str = "not-compared";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Log {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    tool: Tool,
    column_kind: &'static str,
    invocations: [Invocation; 1],
    results: Vec<Outcome>,
    properties: RunProperties,
}

#[derive(Serialize)]
struct RunProperties {
    verdict: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    execution_successful: bool,
    tool_execution_notifications: Vec<Notification>,
}

#[derive(Serialize)]
struct Notification {
    level: &'static str,
    message: Message,
}

#[derive(Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver {
    name: &'static str,
    semantic_version: &'static str,
    rules: Vec<Descriptor>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    id: &'static str,
    short_description: Message,
    full_description: Message,
    help: Help,
    #[serde(skip_serializing_if = "Option::is_none")]
    help_uri: Option<String>,
    default_configuration: Configuration,
}

#[derive(Serialize)]
struct Configuration {
    level: &'static str,
}

#[derive(Serialize)]
struct Message {
    text: String,
}

#[derive(Serialize)]
struct Help {
    text: String,
    markdown: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    rule_id: &'static str,
    rule_index: usize,
    level: &'static str,
    message: Message,
    locations: [Place; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related_locations: Vec<Place>,
    partial_fingerprints: Fingerprints,
    properties: Properties,
}

#[derive(Serialize)]
struct Fingerprints {
    #[serde(rename = "doorwayContracts/v1")]
    own: String,
}

#[derive(Serialize)]
struct Properties {
    operations: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Place {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u32>,
    physical_location: Physical,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Message>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Physical {
    artifact_location: Artifact,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<Region>,
}

#[derive(Serialize)]
struct Artifact {
    uri: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_column: Option<u32>,
}

/// A report as a log of one run.
pub(super) fn log(report: &Report, scene: &Scene) -> Log {
    let mut rules: Vec<Descriptor> = Vec::new();
    let mut results = Vec::new();
    // The findings come the worst first; what was not compared goes before those that break nobody.
    let is_compatible = |severity: Severity| severity == Severity::Compatible;
    let (worse, rest): (Vec<_>, Vec<_>) = report.findings.iter().partition(|finding| !is_compatible(finding.severity));
    let mut add =
        |rule: &'static str, level, summary: &str, places: [Option<&Location>; 2], operations, own: String| {
            if results.len() >= RESULTS_MAX {
                return;
            }
            let known = rules.iter().position(|known| known.id == rule);
            let rule_index = known.unwrap_or_else(|| {
                rules.push(descriptor(rule, scene));
                rules.len() - 1
            });
            results.push(Outcome {
                rule_id: rule,
                rule_index,
                level,
                message: Message { text: sarif(summary) },
                locations: [located(scene, place(places[0], places[1]))],
                related_locations: related(scene, places),
                partial_fingerprints: Fingerprints { own },
                properties: Properties { operations },
            });
        };
    for finding in worse {
        let places = [finding.before.as_ref(), finding.after.as_ref()];
        let own = finding.fingerprint.clone();
        add(finding.rule, level(finding.severity), &finding.summary, places, finding.operations.len(), own);
    }
    for part in &report.not_compared {
        let places = [part.before.as_ref(), part.after.as_ref()];
        add(NOT_COMPARED, "warning", &part.summary, places, part.operations.len(), hash(&part.summary));
    }
    for finding in rest {
        let places = [finding.before.as_ref(), finding.after.as_ref()];
        let own = finding.fingerprint.clone();
        add(finding.rule, level(finding.severity), &finding.summary, places, finding.operations.len(), own);
    }
    let mut notifications: Vec<Notification> = report
        .warnings()
        .map(|(side, warning)| {
            let text = format!("{side}, line {}: {}", warning.line, sarif(&warning.message));
            Notification { level: "warning", message: Message { text } }
        })
        .collect();
    let more = (report.findings.len() + report.not_compared.len()).saturating_sub(RESULTS_MAX);
    if more > 0 {
        let text = format!("{more} more are not listed: the worst come first.");
        notifications.push(Notification { level: "warning", message: Message { text } });
    }
    Log {
        schema: "https://json.schemastore.org/sarif-2.1.0.json",
        version: "2.1.0",
        runs: [Run {
            tool: Tool {
                driver: Driver { name: "Doorway contracts", semantic_version: env!("CARGO_PKG_VERSION"), rules },
            },
            column_kind: "unicodeCodePoints",
            invocations: [Invocation { execution_successful: true, tool_execution_notifications: notifications }],
            results,
            properties: RunProperties { verdict: report.headline().to_owned() },
        }],
    }
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Breaking => "error",
        Severity::Dangerous => "warning",
        Severity::Compatible => "note",
    }
}

fn descriptor(id: &'static str, scene: &Scene) -> Descriptor {
    let rule: Option<&&Rule> = rules::ALL.iter().find(|rule| rule.id == id);
    let title = rule.map_or("Something could not be compared.", |rule| rule.title);
    let page = pages::page(id).map_or_else(
        || "What this means for callers is not known, because it could not be compared. Compare it by hand.".to_owned(),
        str::to_owned,
    );
    Descriptor {
        id,
        short_description: Message { text: title.to_owned() },
        full_description: Message { text: title.to_owned() },
        help: Help { text: page.clone(), markdown: page },
        // Where the platform's address is not known, there is no link.
        help_uri: rule.filter(|_| scene.base_url.starts_with("http")).map(|_| scene.page(id)),
        default_configuration: Configuration { level: level(rule.map_or(Severity::Dangerous, |rule| rule.severity)) },
    }
}

/// Something that stands nowhere stands in the document as a whole.
fn located(scene: &Scene, location: Option<&Location>) -> Place {
    let file = location.map_or(&scene.file, |location| &location.file);
    let file = if file.is_empty() { "document" } else { file };
    let region = location.filter(|location| location.line > 0).map(|location| Region {
        start_line: location.line,
        start_column: (location.column > 0).then_some(location.column),
    });
    let uri = utf8_percent_encode(&clean(file), PATH).to_string();
    Place { id: None, physical_location: Physical { artifact_location: Artifact { uri }, region }, message: None }
}

/// Where it stood, for what still stands somewhere.
fn related(scene: &Scene, [before, after]: [Option<&Location>; 2]) -> Vec<Place> {
    match (before, after) {
        (Some(before), Some(_)) if !before.file.is_empty() => {
            let place = located(scene, Some(before));
            vec![Place { id: Some(0), message: Some(Message { text: "It stood here before.".to_owned() }), ..place }]
        }
        _ => Vec::new(),
    }
}

fn hash(summary: &str) -> String {
    let hash = digest(&SHA256, summary.as_bytes());
    hash.as_ref().iter().take(16).fold(String::new(), |mut text, byte| {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
