//! The comparison of contracts over what the catalog's readers make of documents.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // It is all tests.
#![allow(clippy::print_stdout, clippy::print_stderr)] // What is skipped or missed is said.

mod corpus;
mod differs;
mod findings;
mod guard;
mod large;
mod laws;
mod protobuf;
mod rules;
mod rules_graphql;
mod rules_openapi;
mod rules_openapi_bodies;
mod rules_openapi_schemas;
mod rules_protobuf;
