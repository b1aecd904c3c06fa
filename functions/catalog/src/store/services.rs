//! Services.

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};
use serde::{Deserialize, Serialize};
use shared::chassis::reply::Reply;
use shared::chassis::table::{ALL_OLD, Row, Slice, StoreError};
use shared::chassis::transaction::{Commit, Transaction};
use shared::event::ServiceState;
use shared::id::{OrganizationId, Service as ServiceKind};
use shared::slug::{Name, Slug};
use shared::time::Time;

use super::search::{change_service, forget_service};
use super::{ATTEMPTS_MAX, Store, Writer, organization};
use crate::domain::{Service, ServiceRef};
use crate::error::Error;
use crate::events::service_state;

/// What a write is called that requires a service.
pub(super) const OFFERS: &str = "offers";

/// Where a service is. The revision is raised by every API that begins to be offered by it, so that no service goes while one does.
#[derive(Serialize, Deserialize)]
struct Place {
    organization: OrganizationId,
    slug: Slug,
    #[serde(default)]
    revision: u64,
}

impl Store {
    /// A new service. Its slug is taken once: the row's key is the slug.
    pub(crate) async fn create_service(
        &self,
        service: &Service,
        writer: &Writer<'_>,
        reply: Reply,
    ) -> Result<Reply, Error> {
        let pk = organization(service.organization.id);
        let mut transaction = self.table.transaction();
        transaction.create("service", Row::new(&pk, format!("SERVICE#{}", service.slug), service)?)?;
        transaction.create(
            "name",
            Row::new(
                service.id.to_string(),
                "NAME",
                &Place { organization: service.organization.id, slug: service.slug.clone(), revision: 0 },
            )?,
        )?;
        change_service(&mut transaction, None, service)?;
        transaction.emit(&pk, &service_state(service), writer.now)?;
        transaction.remember(writer.idempotency, &reply)?;
        match transaction.commit().await? {
            Commit::Done => Ok(reply),
            Commit::Replay(reply) => Ok(reply),
            Commit::Refused { .. } => Err(Error::Taken {
                pointer: "/slug",
                detail: format!("Your organization has a service `{}` already.", service.slug),
            }),
        }
    }

    /// A changed service in place of the revision before.
    pub(crate) async fn replace_service(
        &self,
        (before, service): (&Service, &Service),
        writer: &Writer<'_>,
        reply: Reply,
    ) -> Result<Reply, Error> {
        let pk = organization(service.organization.id);
        let mut transaction = self.table.transaction();
        transaction.replace(
            "service",
            Row::new(&pk, format!("SERVICE#{}", service.slug), service)?,
            service.revision - 1,
        )?;
        change_service(&mut transaction, Some(before), service)?;
        transaction.emit(&pk, &service_state(service), writer.now)?;
        transaction.remember(writer.idempotency, &reply)?;
        match transaction.commit().await? {
            Commit::Done => Ok(reply),
            Commit::Replay(reply) => Ok(reply),
            Commit::Refused { .. } => Err(Error::Stale),
        }
    }

    /// Requires, with the write of an API that names it, that a service is there, and that it is not removed meanwhile.
    pub(super) fn offer(&self, transaction: &mut Transaction<'_>, service: &ServiceRef) -> Result<(), StoreError> {
        let raise = Update::builder()
            .table_name(&self.table.name)
            .key("pk", AttributeValue::S(service.id.to_string()))
            .key("sk", AttributeValue::S("NAME".into()))
            .update_expression("ADD revision :one")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":one", AttributeValue::N("1".into()))
            .return_values_on_condition_check_failure(ALL_OLD)
            .build()
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        transaction.push(OFFERS, TransactWriteItem::builder().update(raise).build());
        Ok(())
    }

    /// Removes a service that offers no API.
    pub(crate) async fn delete_service(
        &self,
        owner: OrganizationId,
        name: &Name<ServiceKind>,
        now: Time,
    ) -> Result<(), Error> {
        let pk = organization(owner);
        for _ in 0..ATTEMPTS_MAX {
            let service = self.service(owner, name).await?.ok_or(Error::NotFound)?;
            let place: Option<Place> = self.table.get(service.id.to_string(), "NAME").await?;
            let place = place.ok_or(Error::NotFound)?;
            let apis = self.first_apis(owner, usize::MAX).await?.rows;
            let offered = apis.iter().filter(|api| api.service.as_ref().is_some_and(|its| its.id == service.id));
            let mut offered: Vec<String> = offered.map(|api| format!("`{}`", api.slug)).collect();
            if !offered.is_empty() {
                let (all, most) = (offered.len(), 5);
                offered.truncate(most);
                let more = if all > most { format!(" and {} more", all - most) } else { String::new() };
                let detail = format!(
                    "The service offers the APIs {}{more}: give them another service, or none, first.",
                    offered.join(", ")
                );
                return Err(Error::State { pointer: None, detail });
            }
            let mut transaction = self.table.transaction();
            transaction.delete("service", &pk, format!("SERVICE#{}", service.slug), Some(service.revision))?;
            transaction.delete(OFFERS, service.id.to_string(), "NAME", Some(place.revision))?;
            forget_service(&mut transaction, &service)?;
            transaction.emit_gone::<ServiceState>(&pk, service.id.to_string(), service.revision + 1, now)?;
            match transaction.commit().await? {
                Commit::Done | Commit::Replay(_) => return Ok(()),
                // It was changed, or an API has it now: another look.
                Commit::Refused { .. } => {}
            }
        }
        Err(Error::Contended)
    }

    /// A service of this organization.
    pub(crate) async fn service(
        &self,
        owner: OrganizationId,
        name: &Name<ServiceKind>,
    ) -> Result<Option<Service>, StoreError> {
        let slug = match name {
            Name::Slug(slug) => slug.clone(),
            Name::Id(id) => match self.table.get::<Place>(id.to_string(), "NAME").await? {
                Some(place) if place.organization == owner => place.slug,
                _ => return Ok(None),
            },
        };
        self.table.get(organization(owner), format!("SERVICE#{slug}")).await
    }

    /// The organization's first services, at most so many; the position is there if there are more.
    pub(crate) async fn first_services(
        &self,
        owner: OrganizationId,
        most: usize,
    ) -> Result<Slice<Service>, StoreError> {
        self.first(&organization(owner), "SERVICE#", most).await
    }

    /// The organization's services, by slug.
    pub(crate) async fn services(
        &self,
        owner: OrganizationId,
        after: Option<&str>,
        limit: u16,
    ) -> Result<Slice<Service>, StoreError> {
        self.table.list(&organization(owner), "SERVICE#", after, limit).await
    }
}
