//! What needs both the catalog's readers and the engine of contracts: the examples on the rules' pages, and a comparison through both functions.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // Helpers of tests are tests.

mod checks;
mod pages;
mod through;
