//! What Doorway's functions have in common, and nothing that one function alone needs.
//!
//! Two halves:
//! - **types that cross a function's boundary**: [`id`]s, [`slug`]s, [`money`], [`time`], [`problem`]s, [`page`]s,
//!   [`principal`]s, [`event`]s, the [`surface`] of a version and the [`meter`]'s image of a grant;
//! - **the chassis**: how a function meets AWS Lambda, DynamoDB and its callers, told once in [`chassis`].
//!
//! There are no business rules here. A rule that only one capability knows belongs to its function.

pub mod chassis;
pub mod event;
pub mod id;
pub mod meter;
pub mod money;
pub mod page;
pub mod principal;
pub mod problem;
pub mod seal;
pub mod secret_key;
pub mod slug;
pub mod surface;
pub mod text;
pub mod time;
pub mod window;
