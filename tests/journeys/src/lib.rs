//! What the end-to-end tests have in common: a running platform, and markets on it.
//!
//! A [`Platform`] is the whole system from template.yaml, with the real function binaries, on a data folder of its own. A [`Market`] is two organizations on it that
//! have nothing to do with those of other tests: a provider with an API on sale and an upstream that counts, a consumer with a key. Tests that need no faults share
//! one platform ([`together`]); those that kill, recycle or delay have their own ([`alone`]).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::print_stderr,
    reason = "a test that cannot go on has failed, and says why"
)]

pub mod chaos;
mod market;
mod platform;
mod running;

pub use dev::client::{Answer, Call};
pub use market::{Consumer, Key, Market, Offer, Organization, Upstream, VERSION};
pub use platform::{Platform, Settings};
pub use running::{alone, run, together};
