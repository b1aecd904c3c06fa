//! `/v1/catalog/imports/backstage`: a company moves in with its `catalog-info.yaml`.

use std::collections::BTreeMap;

use axum::extract::State;
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use shared::chassis::extract::{Caller, Now, Query, body};
use shared::chassis::reply::Reply;
use shared::event::Visibility;
use shared::principal::{Party, needs};
use shared::problem::{Kind, Problem};
use shared::seal::sha256_hex;
use shared::slug::{Name, Slug};
use shared::time::Time;
use utoipa::{IntoParams, ToSchema};

use super::versions::{drafted, unpacked};
use crate::AppState;
use crate::backstage::{self, ApiWish, BYTES_MAX, Definition, Entity, Meaning, ServiceWish};
use crate::domain::{Api, ServiceRef, VersionLabel, VersionName};
use crate::error::Error;
use crate::store::{NewApi, Writer};
use crate::upload::{self, Document, Hint};

/// Tries of a write that meets another change of the same thing.
const ATTEMPTS_MAX: u32 = 4;

/// How it is imported.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ImportQuery {
    /// `true`: nothing is written, and the report says what would be.
    dry_run: Option<bool>,
}

/// What became of a file.
#[derive(Serialize, ToSchema)]
pub(super) struct ImportReport {
    /// Whether nothing was written.
    dry_run: bool,
    /// Entities that became something new.
    created: usize,
    /// Entities that changed something.
    updated: usize,
    /// Entities that say what is there already.
    unchanged: usize,
    /// Entities that nothing was made of.
    skipped: usize,
    /// The entities in the order of the file.
    entities: Vec<ImportedEntity>,
}

/// What became of an entity.
#[derive(Serialize, ToSchema)]
struct ImportedEntity {
    /// What Backstage calls it, such as `component:default/petstore`.
    entity: String,
    /// The line of the file in which it begins.
    line: u32,
    /// What became of it.
    result: Imported,
    /// The slug of the service that it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<Slug>,
    /// The slug of the API that it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    api: Option<Slug>,
    /// The version that its definition is.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<ImportedVersion>,
    /// Why it was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// What of it was not taken over, and why.
    notes: Vec<String>,
}

/// What became of a definition.
#[derive(Serialize, ToSchema)]
struct ImportedVersion {
    /// The version's name: the document's own, followed by the beginning of its digest where that is taken by another document.
    version: VersionLabel,
    /// `created`, as a draft, or `unchanged`.
    result: Imported,
}

/// What became of something.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Imported {
    /// It is new.
    Created,
    /// It was changed.
    Updated,
    /// It was there already, as it is.
    Unchanged,
    /// A system, a domain or a group: its name is the owner or the domain of services.
    Read,
    /// Nothing was made of it.
    Skipped,
}

/// Imports a `catalog-info.yaml` of Backstage: components become services, and APIs become private APIs of the service that provides them,
/// each with its definition as a draft where that stands in the file. Nothing is fetched.
///
/// What the file does not name is left as it is, and nothing is ever deleted. Importing the same file again changes nothing, so a request
/// that was not answered is simply sent again.
#[utoipa::path(post, path = "/v1/catalog/imports/backstage", operation_id = "import_backstage", tag = "imports", security(("token" = ["catalog:write"])),
    params(ImportQuery),
    request_body(description = "The file: YAML of at most 1 MB, with up to 500 entities, each of them a document. As it is, or packed as `application/gzip`.",
        content((String = "application/yaml"), (String = "application/gzip"), (String = "text/plain"), (String = "application/octet-stream"))),
    responses((status = 200, body = ImportReport)))]
pub(super) async fn import_backstage(
    caller: Caller<needs::CatalogWrite>,
    Now(now): Now,
    State(app): State<AppState>,
    Query(query): Query<ImportQuery>,
    headers: HeaderMap,
    request: axum::extract::Request,
) -> Result<Reply, Problem> {
    let body = body(request).await?;
    let opened = unpacked(&headers, &body)?;
    let bytes = opened.as_ref().map_or(&body[..], |(bytes, _)| bytes);
    if bytes.len() > BYTES_MAX {
        let detail =
            format!("The file has {} bytes; {BYTES_MAX} is the most that is read at once: split it.", bytes.len());
        return Err(Error::TooLarge(detail).into());
    }
    let entities = backstage::read(bytes).map_err(Error::from)?;
    if entities.is_empty() {
        return Err(Problem::new(Kind::DocumentInvalid, "The file holds no entity.").field("", "holds no entity"));
    }
    let dry_run = query.dry_run.unwrap_or_default();
    let import = Import { app: &app, organization: &caller.organization, now, dry_run, services: BTreeMap::new() };
    let entities = import.all(entities).await?;
    let count = |result| entities.iter().filter(|entity| entity.result == result).count();
    Reply::ok(&ImportReport {
        dry_run,
        created: count(Imported::Created),
        updated: count(Imported::Updated),
        unchanged: count(Imported::Unchanged),
        skipped: count(Imported::Skipped),
        entities,
    })
}

/// An import under way.
struct Import<'a> {
    app: &'a AppState,
    organization: &'a Party,
    now: Time,
    dry_run: bool,
    /// The services of the file.
    services: BTreeMap<Slug, ServiceRef>,
}

impl Import<'_> {
    /// Services first, because APIs name them.
    async fn all(mut self, entities: Vec<Entity>) -> Result<Vec<ImportedEntity>, Problem> {
        let mut services = BTreeMap::new();
        for (place, entity) in entities.iter().enumerate() {
            if let Meaning::Service(wish) = &entity.meaning {
                services.insert(place, self.service(wish).await?);
            }
        }
        let mut imported = Vec::with_capacity(entities.len());
        for (place, Entity { name, line, meaning, notes }) in entities.into_iter().enumerate() {
            let (service, api, version, reason) = (None, None, None, None);
            let result = services.get(&place).copied().unwrap_or(Imported::Read);
            let mut entity = ImportedEntity { entity: name, line, result, service, api, version, reason, notes };
            match meaning {
                Meaning::Service(wish) => {
                    self.elsewhere(&wish, &mut entity).await?;
                    entity.service = Some(wish.slug);
                }
                Meaning::Api(wish) => self.api_with_version(*wish, &mut entity).await?,
                Meaning::Read => {}
                Meaning::Skipped(reason) => {
                    entity.result = Imported::Skipped;
                    entity.reason = Some(reason);
                }
            }
            imported.push(entity);
        }
        Ok(imported)
    }

    fn writer(&self) -> Writer<'_> {
        Writer { organization: self.organization, now: self.now, idempotency: None }
    }

    async fn service(&mut self, wish: &ServiceWish) -> Result<Imported, Problem> {
        for _ in 0..ATTEMPTS_MAX {
            let found = self.app.store.service(self.organization.id, &Name::Slug(wish.slug.clone())).await?;
            let next = wish.applied(found.as_ref(), self.organization, self.now);
            let (id, result, written) = match (found, next) {
                (Some(found), None) => (found.id, Imported::Unchanged, Ok(())),
                (found, next) => {
                    let Some(next) = next else { break };
                    let result = if found.is_some() { Imported::Updated } else { Imported::Created };
                    (next.id, result, self.write_service(found.as_ref(), &next).await)
                }
            };
            match written {
                Ok(()) => {
                    self.services.insert(wish.slug.clone(), ServiceRef { id, slug: wish.slug.clone() });
                    return Ok(result);
                }
                // Somebody else was first: what is there now counts.
                Err(Error::Taken { .. } | Error::Stale) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Contended.into())
    }

    async fn write_service(
        &self,
        before: Option<&crate::domain::Service>,
        service: &crate::domain::Service,
    ) -> Result<(), Error> {
        if self.dry_run {
            return Ok(());
        }
        let reply = Reply::ok(&())?;
        match before {
            None => self.app.store.create_service(service, &self.writer(), reply).await?,
            Some(before) => self.app.store.replace_service((before, service), &self.writer(), reply).await?,
        };
        Ok(())
    }

    /// APIs that a component provides and that are not in the file: those of the catalog that have no service get this one.
    async fn elsewhere(&self, wish: &ServiceWish, entity: &mut ImportedEntity) -> Result<(), Problem> {
        for slug in &wish.elsewhere {
            let found = self.app.store.api(self.organization.id, &Name::Slug(slug.clone())).await?;
            let note = match found.as_ref().map(|api| &api.service) {
                Some(Some(service)) if service.slug == wish.slug => continue,
                Some(Some(service)) => {
                    format!("The API `{slug}` stays with the service `{}`, which offers it already.", service.slug)
                }
                Some(None) => {
                    let wish = ApiWish {
                        slug: slug.clone(),
                        fallback: wish.fallback.clone(),
                        name: None,
                        service: Some(wish.slug.clone()),
                        definition: None,
                    };
                    self.api(&wish, &mut entity.notes).await?;
                    if entity.result == Imported::Unchanged {
                        entity.result = Imported::Updated;
                    }
                    format!("It offers the API `{slug}`, which was in the catalog already.")
                }
                None => format!(
                    "It provides `{slug}`, which is neither in the file nor in the catalog: import the API, then this file again."
                ),
            };
            entity.notes.push(note);
        }
        Ok(())
    }

    async fn api_with_version(&self, wish: ApiWish, entity: &mut ImportedEntity) -> Result<(), Problem> {
        let (result, api) = self.api(&wish, &mut entity.notes).await?;
        entity.result = result;
        if let Some(definition) = &wish.definition {
            entity.version = self.version(api.as_ref(), definition, &mut entity.notes).await?;
        }
        if entity.result == Imported::Unchanged
            && entity.version.as_ref().is_some_and(|version| version.result == Imported::Created)
        {
            entity.result = Imported::Updated;
        }
        entity.api = Some(wish.slug);
        Ok(())
    }

    /// The API as it is now; none where a dry run only would make it. The door need not be told: it goes by neither name nor service.
    async fn api(&self, wish: &ApiWish, notes: &mut Vec<String>) -> Result<(Imported, Option<Api>), Problem> {
        let service = wish.service.as_ref().and_then(|slug| self.services.get(slug)).cloned();
        if let (Some(slug), None) = (&wish.service, &service) {
            notes.push(format!("The component that provides it did not become the service `{slug}`, so it has none."));
        }
        let (own, name) = (self.organization.id, Name::Slug(wish.slug.clone()));
        for _ in 0..ATTEMPTS_MAX {
            let Some(found) = self.app.store.api(own, &name).await? else {
                if self.dry_run {
                    return Ok((Imported::Created, None));
                }
                match self
                    .app
                    .store
                    .create_api(new_api(wish, service.clone()), &self.writer(), |_| Reply::ok(&()))
                    .await
                {
                    Ok(_) => return Ok((Imported::Created, self.app.store.api(own, &name).await?)),
                    Err(Error::Taken { .. }) => continue,
                    Err(error) => return Err(error.into()),
                }
            };
            let mut api = found.clone();
            api.name = wish.name.clone().unwrap_or(api.name);
            api.service = match (&service, api.service) {
                (Some(wish), Some(own)) if wish.slug == own.slug => Some(own),
                (Some(wish), _) => Some(wish.clone()),
                (None, own) => own,
            };
            if api == found {
                return Ok((Imported::Unchanged, Some(found)));
            }
            (api.revision, api.updated_at) = (found.revision + 1, self.now);
            if self.dry_run {
                return Ok((Imported::Updated, Some(found)));
            }
            match self.app.store.replace_api((&found, &api), &self.writer(), Reply::ok(&())?).await {
                Ok(_) => return Ok((Imported::Updated, Some(api))),
                Err(Error::Stale) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Contended.into())
    }

    /// A definition becomes a draft, once: the same document is not uploaded again, and another one gets another name.
    async fn version(
        &self,
        api: Option<&Api>,
        definition: &Definition,
        notes: &mut Vec<String>,
    ) -> Result<Option<ImportedVersion>, Problem> {
        let hint = Hint { format: format_of(&definition.format), filename: None, root: None };
        let read = match upload::read(definition.text.as_bytes(), hint) {
            Ok(read) => read,
            Err(refused) => {
                let line = refused.line.map_or(String::new(), |line| format!("line {line} of it: "));
                notes.push(format!("The definition is not imported: {line}{}", refused.message));
                return Ok(None);
            }
        };
        let sha256 = sha256_hex(definition.text.as_bytes());
        for label in labels(&read, &sha256) {
            let found = match api {
                Some(api) => self.app.store.version(api.id, &VersionName::Label(label.clone())).await?,
                None => None,
            };
            match (found, api) {
                (Some(found), _) if found.document_sha256 == sha256 => {
                    return Ok(Some(ImportedVersion { version: label, result: Imported::Unchanged }));
                }
                (Some(_), _) => {}
                (None, Some(api)) if !self.dry_run => {
                    return self.create_version(api, read, definition, label, notes).await;
                }
                (None, _) => return Ok(Some(ImportedVersion { version: label, result: Imported::Created })),
            }
        }
        notes.push("The definition is not imported: other documents have its names already.".to_owned());
        Ok(None)
    }

    async fn create_version(
        &self,
        api: &Api,
        read: Document,
        definition: &Definition,
        label: VersionLabel,
        notes: &mut Vec<String>,
    ) -> Result<Option<ImportedVersion>, Problem> {
        let (version, content) = match drafted(api, read, definition.text.as_bytes(), None, label.clone(), self.now) {
            Ok(drafted) => drafted,
            Err(Error::TooLarge(detail)) => {
                notes.push(format!("The definition is not imported: {detail}"));
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        match self.app.store.create_version(api, version, &content, &self.writer(), |_| Reply::ok(&())).await {
            Ok(_) => Ok(Some(ImportedVersion { version: label, result: Imported::Created })),
            // The same import at the same moment.
            Err(Error::Taken { .. }) => Ok(Some(ImportedVersion { version: label, result: Imported::Unchanged })),
            Err(error) => Err(error.into()),
        }
    }
}

fn new_api(wish: &ApiWish, service: Option<ServiceRef>) -> NewApi {
    NewApi {
        slug: wish.slug.clone(),
        name: wish.name.clone().unwrap_or_else(|| wish.fallback.clone()),
        visibility: Visibility::Private,
        partners: Vec::new(),
        service,
        upstream_url: None,
        cors: None,
    }
}

/// The reader of a type of Backstage's APIs; of one that names none it is found out.
fn format_of(kind: &str) -> Option<&str> {
    match kind {
        "" => None,
        "grpc" => Some("protobuf"),
        kind => Some(kind),
    }
}

/// What a document is called as a version: as it calls itself, and with its digest where another one has that name.
fn labels(read: &Document, sha256: &str) -> Vec<VersionLabel> {
    let digest = |length: usize| sha256.get(..length).unwrap_or_default();
    let texts = [read.api_version.clone(), format!("{}-{}", read.api_version, digest(8)), digest(12).to_owned()];
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}
