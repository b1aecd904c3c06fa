//! A function's own API document: made from its handlers, so that a route is written once for router and document.

use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ContentBuilder, InfoBuilder, OpenApi, Ref, RefOr, ResponseBuilder};
use utoipa::{PartialSchema as _, ToSchema as _};
use utoipa_axum::router::OpenApiRouter;

use super::extract::complete;
use crate::id::{Api, App, Id, Key, Member, Organization, Plan, Product, Service, Subscription, Token};
use crate::problem::{Document, FieldError};
use crate::slug::{Name, Slug};

/// The name of the security scheme in every document. What a route needs stands behind it: `token: ["catalog:write"]`.
pub const TOKEN: &str = "token";

/// A function's document alone, for whoever writes or checks it.
#[must_use]
pub fn describe<S: Clone + Send + Sync + 'static>(router: OpenApiRouter<S>, name: &str, description: &str) -> OpenApi {
    complete_document(router.into_openapi(), name, description)
}

/// Completes a function's router and its document, which is served at `/v1/{name}/openapi.json`.
pub fn finish<S: Clone + Send + Sync + 'static>(
    router: OpenApiRouter<S>,
    state: S,
    name: &str,
    description: &str,
) -> axum::Router {
    let (router, document) = router.split_for_parts();
    let document = std::sync::Arc::new(document);
    let (name_, description) = (name.to_owned(), description.to_owned());
    // Made when it is asked for: no start waits for it.
    let serve = move || async move {
        let text = complete_document((*document).clone(), &name_, &description).to_pretty_json().unwrap_or_default();
        ([(http::header::CONTENT_TYPE, "application/json")], text)
    };
    complete(router.route(&format!("/v1/{name}/openapi.json"), axum::routing::get(serve)).with_state(state))
}

fn complete_document(mut document: OpenApi, name: &str, description: &str) -> OpenApi {
    gather(&mut document);
    document.info = InfoBuilder::new()
        .title(format!("Doorway: {name}"))
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(description))
        .license(Some(utoipa::openapi::LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build()))
        .build();
    let components = document.components.get_or_insert_default();
    let scheme = SecurityScheme::Http(
        Http::builder()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("A token of an organization, `dwt_…`."))
            .build(),
    );
    components.add_security_scheme(TOKEN, scheme);
    components.schemas.insert(Document::name().into_owned(), Document::schema());
    components.schemas.insert(FieldError::name().into_owned(), FieldError::schema());
    let problem = ResponseBuilder::new()
        .description("A problem (RFC 9457): its type says which one of a closed set, its detail what to do, its errors which fields are meant.")
        .content("application/problem+json", ContentBuilder::new().schema(Some(Ref::from_schema_name(Document::name()))).build())
        .build();
    for path in document.paths.paths.values_mut() {
        for operation in
            [&mut path.get, &mut path.put, &mut path.post, &mut path.delete, &mut path.patch].into_iter().flatten()
        {
            operation.responses.responses.insert("default".to_owned(), RefOr::T(problem.clone()));
        }
    }
    document
}

/// What stands in parameters only is not gathered by the macros: a reference to it would lead nowhere.
fn gather(document: &mut OpenApi) {
    let text = document.to_json().unwrap_or_default();
    let components = document.components.get_or_insert_default();
    macro_rules! add {
        ($($type:ty),* $(,)?) => {$(
            let name = <$type as utoipa::ToSchema>::name();
            if text.contains(&format!("\"#/components/schemas/{name}\"")) {
                components.schemas.entry(name.into_owned()).or_insert_with(<$type as utoipa::PartialSchema>::schema);
            }
        )*};
    }
    add!(Slug, Name<Organization>, Name<Api>, Name<Service>, Name<Product>, Name<Plan>);
    add!(Id<Member>, Id<Token>, Id<App>, Id<Subscription>, Id<Key>);
}
