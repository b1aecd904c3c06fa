//! Refusals of the domain, as problems.

use shared::problem::Problem;

use crate::domain::Refusal;

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::ExpiresInThePast => Self::invalid("/expires_at", refusal.to_string()),
            Refusal::OverlapTooLong => Self::invalid("/overlap_seconds", refusal.to_string()),
            Refusal::Full | Refusal::Ended { .. } | Refusal::Rotated { .. } => Self::state(format!("{refusal}.")),
        }
    }
}
