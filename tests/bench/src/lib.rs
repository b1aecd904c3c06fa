//! What the measurements have in common: function processes of any language on a Runtime API of our own, and figures.
//!
//! Every number is of the functions as they are deployed (`--release`), and everything that is compared runs in one go, in turns, so that whatever else the machine
//! does hits all of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a measurement that cannot go on has failed, and says why"
)]

pub mod callgrind;
pub mod documents;
pub mod figures;
pub mod generated;
pub mod payload;
pub mod peers;
pub mod readme;
pub mod run;
pub mod sandbox;
