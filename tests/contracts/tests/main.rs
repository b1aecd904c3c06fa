//! The comparison of contracts over what the catalog's readers make of documents.

mod corpus;
mod laws;
mod protobuf;
