//! What is wrong with a document that was read all the same.

use serde::{Deserialize, Serialize};

/// Something wrong that does not keep a document from being read. What it is about may be missing in the surface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Warning {
    /// What kind it is, stable: `dangling-ref`, `remote-ref`, `duplicate-operation-id`, `info-incomplete` and more.
    pub code: String,
    /// What is wrong, for people.
    pub message: String,
    /// In which file of the upload; empty where it was one document.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub file: String,
    /// Where, from 1.
    pub line: u32,
    /// Where, as a JSON pointer or the format's own path.
    pub pointer: String,
}
