//! The comparison of contracts over what the catalog's readers make of documents: pairs of ours for each rule, and the public corpus of pairs.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, clippy::print_stdout, clippy::indexing_slicing)] // Helpers of tests are tests.

mod corpus;
mod protobuf;
