//! Refusals of the domain, as problems.

use shared::problem::{Kind, Problem};

use crate::domain::Refusal;

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::OtherSide { .. } => Self::new(Kind::Forbidden, format!("{refusal}.")),
            Refusal::State { .. }
            | Refusal::Retired { .. }
            | Refusal::NeedsApproval { .. }
            | Refusal::TooManyChanges { .. } => Self::state(format!("{refusal}.")),
        }
    }
}
