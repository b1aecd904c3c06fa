//! The comparison of two surfaces.

mod found;
mod protobuf;

use shared::surface::{Format, Surface};

use crate::finding::{Comparison, Verdict};

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
    let mut findings = found::Findings::new(before, after);
    if before.format == Format::Protobuf {
        protobuf::compare(before, after, settings.level, &mut findings);
    }
    let is_same = findings.is_empty() && before.digest == after.digest;
    let comparison = findings.finish();
    if is_same { Comparison { verdict: Verdict::Identical, ..comparison } } else { comparison }
}
