//! The real router on the real store: events in, invoices out.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // It is all tests.

mod invoices;
mod numbers;
mod preview;
mod sight;
mod story;
