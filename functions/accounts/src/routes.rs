//! The HTTP API: one flat list of routes.

mod members;
mod organizations;
mod tokens;

use shared::page::Pages;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use organizations::Owner;
pub use tokens::IssuedToken;

use crate::store::Store;

/// What every handler has at hand.
#[derive(Clone)]
pub struct AppState {
    pub(crate) store: Store,
    pub(crate) pages: Pages,
}

/// Every route.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(organizations::own, organizations::change))
        .routes(routes!(organizations::found))
        .routes(routes!(organizations::by_name))
        .routes(routes!(members::list, members::add))
        .routes(routes!(members::one, members::change, members::remove))
        .routes(routes!(tokens::list, tokens::issue))
        .routes(routes!(tokens::one))
        .routes(routes!(tokens::revoke))
}
