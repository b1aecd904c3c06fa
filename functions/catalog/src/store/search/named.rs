//! The words of APIs and services: written with what they say, in one transaction, so that they are never older or newer.

use std::collections::BTreeMap;

use shared::chassis::table::{Row, StoreError};
use shared::chassis::transaction::Transaction;
use shared::id::OrganizationId;
use shared::slug::Slug;

use super::{Place, Posting, packed, partition};
use crate::domain::words::{self, Kind, Part};
use crate::domain::{Api, Service};

/// What an API or a service is found by.
struct Named<'a> {
    place: Place,
    slug: &'a Slug,
    name: &'a str,
    about: Vec<&'a str>,
}

impl Named<'_> {
    fn words(&self) -> BTreeMap<String, Part> {
        words::named(self.slug.as_str(), self.name, &self.about)
    }
}

fn change(
    transaction: &mut Transaction<'_>,
    owner: OrganizationId,
    (kind, before, after): (Kind, Option<&Named<'_>>, &Named<'_>),
) -> Result<(), StoreError> {
    let (old, new) = (before.map(Named::words).unwrap_or_default(), after.words());
    for word in old.keys().filter(|word| !new.contains_key(*word)) {
        transaction.delete("word", partition(owner, word), after.place.row(word), None)?;
    }
    // All of them, because each row says the name too.
    for (word, part) in &new {
        let sk = after.place.row(word);
        let posting = Posting {
            sk: sk.clone(),
            slug: after.slug.clone(),
            version: String::new(),
            name: after.name.to_owned(),
            about: after.about.join(", "),
            at: packed(&BTreeMap::from([((kind, *part), vec![0])])),
        };
        transaction.put("word", Row::new(partition(owner, word), sk, &posting)?)?;
    }
    Ok(())
}

/// The words of an API with its document's title, in the place of those that it had before.
pub(in crate::store) fn change_api(
    transaction: &mut Transaction<'_>,
    before: Option<(&Api, &str)>,
    (api, title): (&Api, &str),
) -> Result<(), StoreError> {
    let (old, new) = (before.map(|(api, title)| named(api, title)), named(api, title));
    if old.as_ref().is_some_and(|old| old.name == new.name && old.about == new.about) {
        return Ok(());
    }
    change(transaction, api.organization.id, (Kind::Api, old.as_ref(), &new))
}

fn named<'a>(api: &'a Api, title: &'a str) -> Named<'a> {
    let about = Some(title).filter(|title| !title.is_empty()).into_iter().collect();
    Named { place: Place::Api(api.id), slug: &api.slug, name: api.name.as_str(), about }
}

fn service(service: &Service) -> Named<'_> {
    let about = [&service.owner, &service.domain].into_iter().flatten().map(shared::text::Label::as_str).collect();
    Named { place: Place::Service(service.id), slug: &service.slug, name: service.name.as_str(), about }
}

/// Removes the words of a service that is gone.
pub(in crate::store) fn forget_service(transaction: &mut Transaction<'_>, gone: &Service) -> Result<(), StoreError> {
    let named = service(gone);
    named.words().keys().try_for_each(|word| {
        transaction.delete("word", partition(gone.organization.id, word), named.place.row(word), None)
    })
}

/// The words of a service, in the place of those that it had before.
pub(in crate::store) fn change_service(
    transaction: &mut Transaction<'_>,
    before: Option<&Service>,
    after: &Service,
) -> Result<(), StoreError> {
    let (old, new) = (before.map(service), service(after));
    if old.as_ref().is_some_and(|old| old.name == new.name && old.about == new.about) {
        return Ok(());
    }
    change(transaction, after.organization.id, (Kind::Service, old.as_ref(), &new))
}
