//! What a comparison says.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a change does to callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// No caller notices, or callers gain something.
    Compatible,
    /// Some callers may break: it depends on what they do.
    Dangerous,
    /// A caller that did what the document allowed breaks.
    Breaking,
}

/// The worst of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Both mean the same: their digests are equal.
    Identical,
    /// They differ, and no caller breaks.
    Compatible,
    /// Some callers may break, or something could not be compared.
    Dangerous,
    /// Callers break.
    Breaking,
}

impl Verdict {
    /// Its word, as JSON has it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Identical => "identical",
            Self::Compatible => "compatible",
            Self::Dangerous => "dangerous",
            Self::Breaking => "breaking",
        }
    }
}

/// Where something stands in one of the two documents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct Location {
    /// The path of the file.
    pub file: String,
    /// The line, from 1; 0 where it stands in no file.
    pub line: u32,
    /// The column in the line, from 1, in characters.
    pub column: u32,
    /// Its path there: a JSON pointer, or the format's own (`Query.user`).
    pub pointer: String,
}

/// One cause, and what it reaches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Finding {
    /// Which rule, for example `response-field-removed`: see [`rules`](crate::rules).
    pub rule: &'static str,
    /// What it does to callers.
    pub severity: Severity,
    /// What has changed, in one sentence for people.
    pub summary: String,
    /// The ids of the operations that it reaches, sorted: those of the later document, or of the earlier where it is no more. None: a type that no operation reaches.
    pub operations: Vec<String>,
    /// Where it stood; nothing for what is new.
    pub before: Option<Location>,
    /// Where it stands; nothing for what is gone.
    pub after: Option<Location>,
    /// Tells it from all others of an API, and stays the same when something else changes: 32 hexadecimal digits.
    pub fingerprint: String,
}

/// Something that was not compared, so that nobody can say what it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NotCompared {
    /// What, and why, in one sentence for people.
    pub summary: String,
    /// The ids of the operations that it reaches, sorted.
    pub operations: Vec<String>,
    /// Where it stood.
    pub before: Option<Location>,
    /// Where it stands.
    pub after: Option<Location>,
}

/// Two surfaces compared. The same surfaces and settings always give the same one, to the byte.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Comparison {
    /// The worst of it.
    pub verdict: Verdict,
    /// What was found, the worst first, then by rule and place.
    pub findings: Vec<Finding>,
    /// What was not compared.
    pub not_compared: Vec<NotCompared>,
}
