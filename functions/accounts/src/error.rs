//! Why something was not done, and how a caller is told.

use shared::chassis::table::StoreError;
use shared::principal::Permission;
use shared::problem::{Kind, Problem};

use crate::domain::{MEMBERS_MAX, TOKENS_MAX};

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such thing in the caller's organization.
    #[error("not found")]
    NotFound,
    /// It was changed since the caller read it.
    #[error("changed in the meantime")]
    Stale,
    /// Another organization has the slug.
    #[error("the slug is taken")]
    SlugTaken,
    /// Another member has the address.
    #[error("the address is taken")]
    EmailTaken,
    /// An organization without an owner could never be changed again.
    #[error("the last owner stays")]
    LastOwner,
    /// See [`MEMBERS_MAX`].
    #[error("too many members")]
    TooManyMembers,
    /// See [`TOKENS_MAX`].
    #[error("too many tokens")]
    TooManyTokens,
    /// No scopes, or more than there are.
    #[error("wrong number of scopes")]
    ScopesCount,
    /// The role does not have this scope.
    #[error("scope {at} is not the role's")]
    ScopeBeyondRole {
        /// Which one, counted from 0.
        at: usize,
    },
    /// The caller would give away what it does not have.
    #[error("the caller does not have {0:?}")]
    BeyondCaller(Permission),
    /// An expiry that is past.
    #[error("the expiry is past")]
    ExpiryPast,
    /// An expiry, or none at all, beyond that of the caller's own token.
    #[error("the expiry is after the caller's own")]
    ExpiryBeyondOwn,
    /// Two changes met too often.
    #[error("contended")]
    Contended,
    /// A condition failed that cannot fail.
    #[error("the condition of `{0}` did not hold")]
    Unexpected(&'static str),
    /// The table did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound => Self::not_found(),
            Error::Stale => Self::new(
                Kind::PreconditionFailed,
                "It was changed since you read it: read it again and repeat your change.",
            ),
            Error::SlugTaken => Self::exists("/slug", "An organization with this slug exists: choose another one."),
            Error::EmailTaken => Self::exists("/email", "A member with this address exists: change that one."),
            Error::LastOwner => Self::state("This is the organization's last owner: make another member owner first."),
            Error::TooManyMembers => {
                Self::state(format!("An organization has at most {MEMBERS_MAX} members: remove one first."))
            }
            Error::TooManyTokens => Self::state(format!(
                "An organization has at most {TOKENS_MAX} tokens that are not revoked: revoke one first."
            )),
            Error::ScopesCount => Self::invalid(
                "/scopes",
                format!(
                    "must have 1 to {} items; leave it out for all of the role's permissions",
                    Permission::ALL.len()
                ),
            ),
            Error::ScopeBeyondRole { at } => {
                Self::invalid(format!("/scopes/{at}"), "is a permission that the role does not have")
            }
            Error::BeyondCaller(permission) => Self::new(
                Kind::Forbidden,
                format!(
                    "This would give away the permission `{}`, which your token does not have: use a wider token, or name `scopes`.",
                    permission.as_str()
                ),
            ),
            Error::ExpiryPast => Self::invalid("/expires_at", "must be in the future"),
            Error::ExpiryBeyondOwn => {
                Self::invalid("/expires_at", "must not be after your own token's end, nor left out")
            }
            Error::Contended => Self::unavailable("contended"),
            Error::Unexpected(label) => Self::internal(format!("the condition of `{label}` did not hold")),
            Error::Store(error) => error.into(),
        }
    }
}
