//! The comparison of two surfaces.

mod found;

use shared::surface::Surface;

use crate::finding::Comparison;

/// How strictly Protocol Buffers are compared: each level includes those before it. Other formats have no levels.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize, serde::Serialize, utoipa::ToSchema,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Level {
    /// The binary encoding.
    Wire,
    /// The JSON encoding, too.
    WireJson,
    /// Generated code, by package.
    Package,
    /// Generated code, by file.
    #[default]
    File,
}

/// What a comparison goes by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// How strictly Protocol Buffers are compared.
    pub level: Level,
}

/// Compares two surfaces.
#[must_use]
pub fn compare(before: &Surface, after: &Surface, settings: Settings) -> Comparison {
    let _ = (before, after, settings);
    Comparison { verdict: crate::finding::Verdict::Identical, findings: Vec::new(), not_compared: Vec::new() }
}
