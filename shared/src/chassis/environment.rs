//! A function's environment, read once.

use crate::page::Pages;
use crate::seal::Secret;

use super::table::Table;

/// What every function finds in its environment.
#[derive(Clone)]
pub struct Environment {
    /// Its own table.
    pub table: Table,
    /// Seals page tokens.
    pub pages: Pages,
}

/// A variable is missing or wrong: the function cannot start.
#[derive(Debug, thiserror::Error)]
#[error("the environment variable {0} is missing or wrong")]
pub struct Missing(pub &'static str);

/// A variable's value; empty counts as missing.
pub fn variable(name: &'static str) -> Result<String, Missing> {
    std::env::var(name).ok().filter(|value| !value.is_empty()).ok_or(Missing(name))
}

/// The secret that the functions at the door share: it seals statements to the door and keys.
pub fn door_secret() -> Result<Secret, Missing> {
    variable("DOOR_SECRET").map(|text| Secret::new(&text))
}

impl Environment {
    /// Reads it, and builds the one DynamoDB client, with a connection open.
    pub async fn read() -> Result<Self, Missing> {
        Ok(Self {
            table: Table::open(variable("TABLE")?).await?,
            pages: Pages::new(&Secret::new(&variable("PAGE_SECRET")?)),
        })
    }
}
