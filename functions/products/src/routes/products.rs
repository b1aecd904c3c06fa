//! Products, for the organization that sells them.

use std::time::Duration;

use axum::extract::State;
use serde::{Deserialize, Deserializer};
use shared::chassis::Context;
use shared::chassis::extract::{Caller, Idempotency, IfMatch, Json, Now, Path, Query};
use shared::chassis::hop::Hop;
use shared::chassis::reply::Reply;
use shared::event::{ApiName, Visibility};
use shared::id::ProductId;
use shared::page::{Page, PageQuery};
use shared::principal::needs;
use shared::problem::Problem;
use shared::slug::{Name, Slug};
use shared::text::Label;

use super::AppState;
use crate::domain::{Description, Product, ProductChange, apis, apis_count, partners, product_slug};
use crate::error::Error;
use crate::store::ProductName;

/// All APIs of a product are found in this time, well before the HTTP API gives up on us.
const LOOKUPS_TIMEOUT: Duration = Duration::from_secs(15);

/// An API's slug or id.
type NameOfApi = Name<shared::id::Api>;

/// A new product.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewProduct {
    /// Unique in the organization, never changes; not `public`.
    slug: Slug,
    /// Its name for people.
    name: Label,
    /// What it is.
    #[serde(default)]
    description: Option<Description>,
    /// Who may see it; `private` when left out.
    #[serde(default)]
    visibility: Option<Visibility>,
    /// The APIs in it, each by slug or id.
    #[schema(min_items = 1, max_items = 20)]
    apis: Vec<NameOfApi>,
    /// The organizations that see it when its visibility is `partner`, by slug.
    #[serde(default)]
    #[schema(max_items = 100)]
    partners: Option<Vec<Slug>>,
}

/// What is changed of a product. What is left out stays.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeProduct {
    /// Its name for people.
    #[serde(default)]
    name: Option<Label>,
    /// What it is; `null` removes it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Description>)]
    #[allow(clippy::option_option)] // Absent, null and a value are three things.
    description: Option<Option<Description>>,
    /// Who may see it.
    #[serde(default)]
    visibility: Option<Visibility>,
    /// The organizations that see it when its visibility is `partner`, all of them.
    #[serde(default)]
    #[schema(max_items = 100)]
    partners: Option<Vec<Slug>>,
}

/// Tells `null` from what is left out.
#[allow(clippy::option_option)] // See where it is used.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// The organization's products, in the order of their slugs.
#[utoipa::path(get, path = "/v1/products", operation_id = "list_products", tag = "products", security(("token" = ["products:read"])),
    params(PageQuery), responses((status = 200, description = "A page of products.", body = Page<Product>)))]
pub(crate) async fn list(
    caller: Caller<needs::ProductsRead>,
    Query(query): Query<PageQuery>,
    State(app): State<AppState>,
) -> Result<Reply, Problem> {
    let list = format!("products/{}", caller.organization.id);
    let page = app.pages.open(&list, &query)?;
    let slice = app.store.products(caller.organization.id, &page).await?;
    Reply::ok(&app.pages.page(&list, slice.rows, slice.position)?)
}

/// Makes a product of one or more APIs of the organization.
#[utoipa::path(post, path = "/v1/products", operation_id = "create_product", tag = "products", security(("token" = ["products:write"])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition of the request harmless for 24 hours.", min_length = 1, max_length = 255, pattern = "^[ -~]+$")),
    request_body = NewProduct,
    responses((status = 201, description = "The product.", body = Product, headers(("ETag" = String, description = "Its revision."), ("Location" = String, description = "Its address.")))))]
pub(crate) async fn create(
    caller: Caller<needs::ProductsWrite>,
    context: Context,
    idempotency: Option<Idempotency>,
    State(app): State<AppState>,
    Json(body): Json<NewProduct>,
) -> Result<Reply, Problem> {
    if let Some(reply) = app.store.replay(idempotency.as_ref()).await? {
        return Ok(reply);
    }
    let slug = product_slug(body.slug)?;
    let partners = partners(body.partners.unwrap_or_default())?;
    apis_count(body.apis.len())?;
    let found = in_time(LOOKUPS_TIMEOUT, find(&app.hops.of(&context), &body.apis)).await?;
    let now = context.now;
    let product = Product {
        id: ProductId::new(),
        revision: 1,
        organization: caller.organization.clone(),
        slug,
        name: body.name,
        description: body.description,
        visibility: body.visibility.unwrap_or_default(),
        apis: apis(found),
        partners,
        created_at: now,
        updated_at: now,
    };
    let reply = Reply::created(&product, format!("/v1/products/{}", product.slug))?.revision(product.revision);
    let earlier = app.store.add_product(&product, idempotency.as_ref(), &reply, now).await?;
    Ok(earlier.unwrap_or(reply))
}

/// What comes in time, or that it did not.
async fn in_time<T>(limit: Duration, work: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(Problem::unavailable("the catalog is too slow")))
}

/// Looks the APIs up in the catalog, in the caller's name: only the caller's own are found there.
async fn find(hop: &Hop, names: &[NameOfApi]) -> Result<Vec<ApiName>, Problem> {
    let mut found = Vec::with_capacity(names.len());
    for (at, name) in names.iter().enumerate() {
        match hop.get::<ApiName>(&format!("/v1/catalog/apis/{name}")).await {
            Ok(api) => found.push(api),
            Err(error) if error.is_not_found() => {
                return Err(Problem::invalid(format!("/apis/{at}"), "is not an API of your organization"));
            }
            Err(error) => return Err(error.into_problem()),
        }
    }
    Ok(found)
}

/// A product.
#[utoipa::path(get, path = "/v1/products/{product}", operation_id = "get_product", tag = "products", security(("token" = ["products:read"])),
    params(("product" = ProductName, Path, description = "The product's slug or id.")),
    responses((status = 200, description = "The product.", body = Product, headers(("ETag" = String, description = "Its revision.")))))]
pub(crate) async fn one(
    caller: Caller<needs::ProductsRead>,
    Path(name): Path<ProductName>,
    State(app): State<AppState>,
) -> Result<Reply, Problem> {
    let product = app.store.product(caller.organization.id, &name).await?;
    Ok(Reply::ok(&product)?.revision(product.revision))
}

/// Changes a product: what it is called, and who may see it.
#[utoipa::path(patch, path = "/v1/products/{product}", operation_id = "change_product", tag = "products", security(("token" = ["products:write"])),
    params(("product" = ProductName, Path, description = "The product's slug or id."), ("If-Match" = String, Header, description = "The `ETag` that the product had when it was read.")),
    request_body = ChangeProduct,
    responses((status = 200, description = "The product as it is now.", body = Product, headers(("ETag" = String, description = "Its revision.")))))]
pub(crate) async fn change(
    caller: Caller<needs::ProductsWrite>,
    Now(now): Now,
    Path(name): Path<ProductName>,
    IfMatch(revision): IfMatch,
    State(app): State<AppState>,
    Json(body): Json<ChangeProduct>,
) -> Result<Reply, Problem> {
    let before = app.store.product(caller.organization.id, &name).await?;
    if before.revision != revision {
        return Err(Error::Stale.into());
    }
    let change = ProductChange {
        name: body.name,
        description: body.description,
        visibility: body.visibility,
        partners: body.partners,
    };
    let product = before.changed(change, now)?;
    app.store.change_product(&product, now).await?;
    Ok(Reply::ok(&product)?.revision(product.revision))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slow_catalog_is_given_up_in_time() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut context = Context::direct("request", shared::time::Time::from_ms(0));
        context.base_url = format!("http://{}", silent.local_addr().unwrap());
        let (hop, names) = (shared::chassis::hop::Hops::default().of(&context), ["weather".parse().unwrap()]);
        let start = std::time::Instant::now();
        let problem = in_time(Duration::from_millis(50), find(&hop, &names)).await.unwrap_err();
        assert_eq!(problem.document(None).status, 503);
        assert!(start.elapsed() < Duration::from_secs(3), "a single lookup gives up after 4 s");
    }
}
