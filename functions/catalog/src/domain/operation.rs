//! An operation as it is listed, searched and routed.

use serde::{Deserialize, Serialize};

/// One callable thing of a version.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Operation {
    /// Its name, unique in the version: the document's `operationId`, or `METHOD /path` where there is none.
    pub id: String,
    /// The HTTP method, in upper case; `QUERY`, `MUTATION` or `SUBSCRIPTION` of GraphQL.
    pub method: String,
    /// The path with its parameters in braces, such as `/forecast/{city}`; the name of a root field of GraphQL, which does not begin with `/`.
    pub path: String,
    /// One line of what it does; empty when the document says nothing.
    pub summary: String,
    /// Whether the document calls it deprecated.
    pub deprecated: bool,
    /// The line in the document where it stands, counted from 1.
    pub line: u32,
}
