//! Why something was not done, and how a caller is told.

use shared::chassis::table::StoreError;
use shared::problem::{Kind, Problem};

use crate::domain::{PLANS_MAX, PRODUCTS_MAX, VERSIONS_MAX};

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such thing, or the caller may not see it.
    #[error("not found")]
    NotFound,
    /// A field is out of bounds.
    #[error("{pointer} {detail}")]
    Field {
        /// Which field, as a JSON pointer.
        pointer: String,
        /// What it must be.
        detail: String,
    },
    /// It was changed since the caller read it.
    #[error("changed in the meantime")]
    Stale,
    /// The organization has a product of this slug.
    #[error("the product's slug is taken")]
    ProductTaken,
    /// The product has a plan of this slug.
    #[error("the plan's slug is taken")]
    PlanTaken,
    /// See [`PRODUCTS_MAX`].
    #[error("too many products")]
    TooManyProducts,
    /// See [`PLANS_MAX`].
    #[error("too many plans")]
    TooManyPlans,
    /// See [`VERSIONS_MAX`].
    #[error("too many versions")]
    TooManyVersions,
    /// A retired plan does not change.
    #[error("the plan is retired")]
    Retired,
    /// Two changes met too often.
    #[error("contended")]
    Contended,
    /// Something happened that cannot happen.
    #[error("`{0}` is not as it must be")]
    Unexpected(&'static str),
    /// The table did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound => Self::not_found(),
            Error::Field { pointer, detail } => Self::invalid(pointer, detail),
            Error::Stale => Self::new(
                Kind::PreconditionFailed,
                "It was changed since you read it: read it again and repeat your change.",
            ),
            Error::ProductTaken => {
                Self::exists("/slug", "A product with this slug exists: choose another one, or change that product.")
            }
            Error::PlanTaken => Self::exists(
                "/slug",
                "The product has a plan with this slug: choose another one, or give that plan a new version.",
            ),
            Error::TooManyProducts => Self::state(format!("An organization has at most {PRODUCTS_MAX} products.")),
            Error::TooManyPlans => Self::state(format!(
                "A product has at most {PLANS_MAX} plans; new terms for one of them are a new version of it."
            )),
            Error::TooManyVersions => {
                Self::state(format!("A plan has at most {VERSIONS_MAX} versions: make a new plan."))
            }
            Error::Retired => Self::state("The plan is `retired`: make a new plan."),
            Error::Contended => Self::unavailable("contended"),
            Error::Unexpected(what) => Self::internal(format!("`{what}` is not as it must be")),
            Error::Store(error) => error.into(),
        }
    }
}
