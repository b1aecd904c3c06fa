//! The HTTP API: one flat list of routes.

mod plans;
mod products;
mod public;

use shared::chassis::hop::Hops;
use shared::page::Pages;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::store::Store;

/// What every handler has at hand.
#[derive(Clone)]
pub struct AppState {
    pub(crate) store: Store,
    pub(crate) pages: Pages,
    pub(crate) hops: Hops,
}

/// Every route.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(products::list, products::create))
        .routes(routes!(products::one, products::change))
        .routes(routes!(plans::list, plans::create))
        .routes(routes!(plans::one))
        .routes(routes!(plans::versions, plans::revise))
        .routes(routes!(plans::version))
        .routes(routes!(plans::retire))
        .routes(routes!(public::list))
        .routes(routes!(public::one))
}
