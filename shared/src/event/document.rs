//! The events as a document that the catalog reads and contracts compares: OpenAPI 3.1 with one webhook for each type.
//!
//! A webhook is what a provider sends: a field that an event loses breaks whoever reads it, a new one breaks nobody. Events
//! go over the bus, not by HTTP; the method says nothing.

use utoipa::openapi::path::{HttpMethod, OperationBuilder, PathItem, Paths, PathsBuilder};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{
    ComponentsBuilder, ObjectBuilder, OneOfBuilder, Ref, Schema, SchemaFormat, SchemaType, Type,
};
use utoipa::openapi::{
    ContentBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, RefOr, Required, ResponseBuilder,
};
use utoipa::{PartialSchema as _, ToSchema};

use super::{Envelope, State};

const DESCRIPTION: &str = "What Doorway's functions tell each other, one webhook for each event type. On its way `data` is the state as a JSON text; \
     here it is described as what the text says: the state, or null for a resource that is gone. A consumer keeps the newest \
     revision of each resource and ignores fields that it does not know.";

/// An event type with its schemas.
pub(super) struct Described {
    kind: &'static str,
    /// The name of the state's schema.
    name: String,
    state: RefOr<Schema>,
    /// The schemas that the state refers to.
    others: Vec<(String, RefOr<Schema>)>,
}

impl Described {
    pub(super) fn of<S: State + ToSchema>() -> Self {
        let mut others = Vec::new();
        S::schemas(&mut others);
        Self { kind: S::TYPE, name: S::name().into_owned(), state: S::schema(), others }
    }

    /// The webhook: the envelope, with this type's state as its data.
    fn webhook(&self) -> PathItem {
        let content = ContentBuilder::new().schema(Some(envelope(self.kind, &self.name))).build();
        let body =
            RequestBodyBuilder::new().content("application/json", content).required(Some(Required::True)).build();
        let none = ResponseBuilder::new().description("Nothing is answered: events go over the bus.").build();
        let operation = OperationBuilder::new()
            .operation_id(Some(self.kind))
            .summary(description(&self.state))
            .request_body(Some(body))
            .response("default", none);
        PathItem::new(HttpMethod::Post, operation)
    }
}

/// The document of all events.
#[must_use]
pub fn document() -> OpenApi {
    let mut webhooks = PathsBuilder::new();
    let mut components = ComponentsBuilder::new();
    for described in super::described() {
        webhooks = webhooks.path(described.kind, described.webhook());
        components = components.schema(described.name, described.state).schemas_from_iter(described.others);
    }
    let license = LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build();
    let info = InfoBuilder::new()
        .title("Doorway: events")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(DESCRIPTION))
        .license(Some(license));
    OpenApiBuilder::new()
        .info(info.build())
        .paths(Paths::new())
        .webhooks(Some(webhooks.build()))
        .components(Some(components.build()))
        .build()
}

/// The schema of [`Envelope`] for one type: what its fields' own types do not say stands here.
fn envelope(kind: &str, state: &str) -> RefOr<Schema> {
    let mut schema = Envelope::schema();
    if let RefOr::T(Schema::Object(envelope)) = &mut schema {
        let kind = ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("The event's type."))
            .enum_values(Some([kind]));
        // A pipe hands on DynamoDB's numbers, which are texts.
        let revision = ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([Type::Integer, Type::String]))
            .format(None::<SchemaFormat>)
            .description(Some("The resource's revision, raised by every change: a number, or its digits as a text."))
            .minimum(Some(0))
            .pattern(Some("^[0-9]+$"));
        let data = OneOfBuilder::new()
            .description(Some("What the JSON text says: the resource's state; null when it is gone."))
            .item(ObjectBuilder::new().schema_type(Type::Null))
            .item(Ref::from_schema_name(state));
        envelope.properties.insert("type".to_owned(), kind.into());
        envelope.properties.insert("revision".to_owned(), revision.into());
        envelope.properties.insert("data".to_owned(), data.into());
    }
    schema
}

fn description(schema: &RefOr<Schema>) -> Option<String> {
    match schema {
        RefOr::T(Schema::Object(object)) => object.description.clone(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{KeyState, TYPES};

    #[test]
    fn the_events_document_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/events.json");
        let current = document().to_pretty_json().unwrap() + "\n";
        if std::env::var_os("UPDATE_DOCUMENTS").is_some() {
            std::fs::write(path, &current).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(committed == current, "shared/events.json is stale: run the test with UPDATE_DOCUMENTS=1");
    }

    #[test]
    fn every_event_type_is_a_webhook_whose_envelope_has_the_fields_that_are_sent() {
        let document = serde_json::to_value(document()).unwrap();
        let webhooks = document["webhooks"].as_object().unwrap();
        assert_eq!(webhooks.len(), TYPES.len());
        let sent = serde_json::to_value(Envelope::tombstone::<KeyState>("key_x", 3)).unwrap();
        for kind in TYPES {
            let operation = &webhooks[*kind]["post"];
            assert_eq!(operation["operationId"], *kind);
            assert!(operation["summary"].is_string(), "{kind}");
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            let described: Vec<_> = schema["properties"].as_object().unwrap().keys().collect();
            let mut fields: Vec<_> = sent.as_object().unwrap().keys().collect();
            fields.sort_unstable();
            assert_eq!(described, fields, "{kind}");
            assert_eq!(schema["properties"]["type"]["enum"], serde_json::json!([kind]));
            assert_eq!(schema["required"].as_array().unwrap().len(), fields.len(), "{kind}");
        }
    }
}
