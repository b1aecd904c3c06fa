//! Organizations, their members and their tokens; the authorizer of the control plane.
//!
//! **An organization** is the tenant. Its slug is unique on the platform and never changes, so that other functions may keep it.
//! The first one of a deployment is made by the operator, who invokes this function itself (see [`operator`]); from then on an
//! owner founds others over HTTP. Each is founded with one owner and one token, whose secret is in that answer only.
//!
//! **Members** are people with a role. The last owner stays: the number of owners is a row of its own, and the write that would
//! take the last one away fails by its condition, whoever else writes at the same time.
//!
//! **Tokens** act for the organization with a role, narrowed to scopes if wished. A secret is `dwt_`, 160 random bits and a
//! checksum; only its SHA-256 is stored. Nobody gives away more than they have: a narrowed token cannot make a wider one.
//!
//! **The authorizer** is asked with every call of the control plane. A token without its checksum costs no read, any other one
//! costs a single consistent read of the row that is found by the secret's hash. A revocation removes that row in the same
//! transaction that marks the token, so that it holds from the next call on. Expiry is judged by value against the request's time.
//! Nothing is written when a token is used.

pub mod domain;
mod error;
pub mod operator;
pub mod routes;
mod store;

use shared::chassis::table::Table;
use shared::chassis::{Context, Environment, Function, Request, Response, told};
use shared::principal::Authentication;
use shared::problem::Problem;

use crate::domain::TokenSecret;
use crate::routes::AppState;
use crate::store::Store;

/// The function's name.
pub const NAME: &str = "accounts";
/// What its API document says of it.
pub const DESCRIPTION: &str = "Organizations, their members and roles, and the tokens that act for them.";

/// The function.
pub struct App {
    table: Table,
    router: axum::Router,
    state: AppState,
}

impl App {
    /// From its environment.
    #[must_use]
    pub fn new(environment: Environment) -> Self {
        let state = AppState { store: Store::new(environment.table.clone()), pages: environment.pages };
        let router = shared::chassis::document::finish(routes::routes(), state.clone(), NAME, DESCRIPTION);
        Self { table: environment.table, router, state }
    }
}

/// The function's API document.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    shared::chassis::document::describe(routes::routes(), NAME, DESCRIPTION)
}

impl Function for App {
    async fn http(&self, request: Request) -> Response {
        Box::pin(shared::chassis::extract::serve(&self.router, request)).await
    }

    async fn authenticate(&self, bearer: Option<&str>, context: &Context) -> Result<Authentication, Problem> {
        let Some(bearer) = bearer else { return Ok(Authentication::Anonymous) };
        let Some(secret) = TokenSecret::parse(bearer) else { return Ok(Authentication::Invalid) };
        let access = Box::pin(self.state.store.access(&secret)).await?;
        Ok(domain::judge(access, context.now))
    }

    async fn direct(&self, payload: serde_json::Value, context: &Context) -> Result<serde_json::Value, Problem> {
        if payload.get("schedule").is_some() {
            return Box::pin(told::republish(&self.table, payload, context.now)).await;
        }
        Box::pin(operator::act(&self.state.store, payload, context.now)).await
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_api_document_is_current() {
        house::document_is_current(&super::document(), env!("CARGO_MANIFEST_DIR"));
    }
}
