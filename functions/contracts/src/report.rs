//! What a comparison says, in the form that its reader takes.
//!
//! Names, paths, operations and warnings are foreign: whoever wrote the documents chose them. Each form escapes them so that they cannot leave their
//! place, which the property tests of this module hold.

mod annotations;
mod check;
mod foreign;
mod junit;
mod markdown;
mod sarif;
mod text;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use shared::chassis::sent::quality;
use shared::surface::{Surface, Warning};
use utoipa::ToSchema;

use crate::finding::{Comparison, Finding, Location, NotCompared, Severity, Verdict};

/// The warnings of both documents, at most 101 each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Warnings {
    /// Of the earlier document.
    pub before: Vec<Warning>,
    /// Of the later document.
    pub after: Vec<Warning>,
}

/// What a comparison says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Report {
    /// The worst of it.
    pub verdict: Verdict,
    /// What was found, the worst first, then by rule and place.
    pub findings: Vec<Finding>,
    /// What was not compared, so that nobody can say what it does. If there is any, the verdict is `dangerous` at least.
    pub not_compared: Vec<NotCompared>,
    /// What is wrong with the documents themselves.
    pub warnings: Warnings,
    /// What a check says, in the place of the verdict; JSON of a check is its own.
    #[serde(skip)]
    pub headline: Option<String>,
    /// Lines that follow it.
    #[serde(skip)]
    pub notes: Vec<String>,
}

/// What a report is about, for those forms that need it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scene {
    /// The later document's first file, or else the earlier one's: where something stands that has no place of its own.
    pub file: String,
    /// Where this platform is, for links to the pages of rules.
    pub base_url: String,
}

impl Scene {
    /// Of two documents, on the platform at this address.
    #[must_use]
    pub fn of(before: &Surface, after: &Surface, base_url: &str) -> Self {
        let file = after.files.iter().chain(&before.files).find(|file| !file.0.is_empty());
        Self { file: file.map(|file| file.0.to_string()).unwrap_or_default(), base_url: base_url.to_owned() }
    }

    /// The address of a rule's page.
    fn page(&self, rule: &str) -> String {
        format!("{}/v1/contracts/rules/{rule}", self.base_url)
    }
}

/// How many findings of each severity, and how much was not compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    breaking: usize,
    dangerous: usize,
    compatible: usize,
    not_compared: usize,
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { breaking, dangerous, compatible, not_compared } = self;
        write!(f, "{breaking} breaking, {dangerous} dangerous, {compatible} compatible, {not_compared} not compared")
    }
}

impl Report {
    /// A comparison with the warnings of its documents.
    #[must_use]
    pub fn of(comparison: Comparison, warnings: Warnings) -> Self {
        let Comparison { verdict, findings, not_compared } = comparison;
        Self { verdict, findings, not_compared, warnings, headline: None, notes: Vec::new() }
    }

    /// What the whole of it says.
    fn headline(&self) -> &str {
        self.headline.as_deref().unwrap_or_else(|| self.verdict.word())
    }

    fn of_severity(&self, severity: Severity) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |finding| finding.severity == severity)
    }

    fn counts(&self) -> Counts {
        Counts {
            breaking: self.of_severity(Severity::Breaking).count(),
            dangerous: self.of_severity(Severity::Dangerous).count(),
            compatible: self.of_severity(Severity::Compatible).count(),
            not_compared: self.not_compared.len(),
        }
    }

    fn warnings(&self) -> impl Iterator<Item = (&'static str, &Warning)> {
        let before = self.warnings.before.iter().map(|warning| ("before", warning));
        before.chain(self.warnings.after.iter().map(|warning| ("after", warning)))
    }
}

/// Severities, the worst first, with their words.
const SEVERITIES: [(Severity, &str); 3] =
    [(Severity::Breaking, "breaking"), (Severity::Dangerous, "dangerous"), (Severity::Compatible, "compatible")];

/// Where to look: in the later document, or in the earlier one for what is gone.
fn place<'a>(before: Option<&'a Location>, after: Option<&'a Location>) -> Option<&'a Location> {
    let named = |location: &&'a Location| !location.file.is_empty();
    after.filter(named).or_else(|| before.filter(named))
}

/// A form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// All of it, as JSON.
    Json,
    /// For people, as plain text.
    Text,
    /// For a pull request.
    Markdown,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// `JUnit`'s XML, for whatever shows results of tests.
    Junit,
    /// The same, to who says `application/xml`.
    Xml,
    /// Commands of GitHub Actions that annotate files.
    Annotations,
}

/// The forms by their media types; of two that are equally welcome, the earlier one is made.
const FORMS: [(&str, Form); 8] = [
    ("application/json", Form::Json),
    ("text/plain", Form::Text),
    ("text/markdown", Form::Markdown),
    ("application/sarif+json", Form::Sarif),
    ("application/junit+xml", Form::Junit),
    ("application/xml", Form::Xml),
    ("text/vnd.github.annotations", Form::Annotations),
    // A large answer comes as a gzip file of JSON.
    ("application/gzip", Form::Json),
];

impl Form {
    /// The form that a receiver of this header likes best: JSON where it says nothing, none where it takes nothing of all.
    #[must_use]
    pub fn accepted(accept: Option<&str>) -> Option<Self> {
        let Some(accept) = accept.filter(|accept| !accept.trim().is_empty()) else { return Some(Self::Json) };
        let weight = |name: &str| {
            let range = name.split_once('/').map_or(String::new(), |(kind, _)| format!("{kind}/*"));
            [name, &range, "*/*"].into_iter().map(|name| quality(accept, name)).find(|weight| *weight > 0).unwrap_or(0)
        };
        let mut best = (0, None);
        for (name, form) in FORMS {
            let weight = weight(name);
            if weight > best.0 {
                best = (weight, Some(form));
            }
        }
        best.1
    }

    /// The media types of all forms, for people.
    #[must_use]
    pub fn names() -> String {
        let names: Vec<String> = FORMS.iter().take(7).map(|(name, _)| format!("`{name}`")).collect();
        names.join(", ")
    }

    /// What an answer of this form says that it is.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Text => "text/plain; charset=utf-8",
            Self::Markdown => "text/markdown; charset=utf-8",
            Self::Sarif => "application/sarif+json",
            Self::Junit => "application/junit+xml",
            Self::Xml => "application/xml",
            Self::Annotations => "text/vnd.github.annotations; charset=utf-8",
        }
    }

    /// Writes a report. `color` is for plain text alone.
    ///
    /// # Errors
    /// None that is known of: writing JSON could fail.
    pub fn write(self, report: &Report, scene: &Scene, color: bool) -> serde_json::Result<Vec<u8>> {
        Ok(match self {
            Self::Json => serde_json::to_vec(report)?,
            Self::Text => text::write(report, color).into_bytes(),
            Self::Markdown => markdown::write(report, scene).into_bytes(),
            Self::Sarif => serde_json::to_vec(&sarif::log(report, scene))?,
            Self::Junit | Self::Xml => junit::write(report, scene).into_bytes(),
            Self::Annotations => annotations::write(report, scene).into_bytes(),
        })
    }
}
