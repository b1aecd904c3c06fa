//! Finding: the rows of the question's words, what is in all of them, the nearest first, and a page of it.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use shared::chassis::table::StoreError;
use shared::id::{ApiId, OrganizationId, ServiceId, VersionId};
use shared::page::PageRequest;
use shared::slug::Slug;

use super::{Place, Posting, partition};
use crate::domain::words::{self, Kind};
use crate::domain::{Entry, Operation};
use crate::store::Store;
use crate::store::content::Listed;
use crate::store::versions::Counter;

/// Pages of 1 MB that are read for one word of a question.
const PAGES_MAX: u32 = 4;
/// Numbers that are looked at for one word of a question.
const NUMBERS_MAX: usize = 1_000_000;
/// Numbers that are fetched with one read where they stand this close together.
const NEAR: u32 = 50;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    pub(crate) text: &'a str,
    /// The only kind that is wanted.
    pub(crate) kind: Option<Kind>,
}

/// One thing that was found.
#[derive(Clone, Debug)]
pub(crate) struct Hit {
    /// The slug of the API, or of the service.
    pub(crate) slug: Slug,
    pub(crate) thing: Thing,
}

/// What was found.
#[derive(Clone, Debug)]
pub(crate) enum Thing {
    Service { id: ServiceId, name: String, about: String },
    Api { id: ApiId, name: String, about: String },
    Operation { api: ApiId, version: String, operation: Operation },
    Entry { api: ApiId, version: String, entry: Entry },
}

/// A page of what was found.
pub(crate) struct Found {
    pub(crate) hits: Vec<Hit>,
    /// Where to go on.
    pub(crate) position: Option<String>,
    /// Whether a word had more rows than are read.
    pub(crate) partial: bool,
}

/// What has all words of a question, in the order in which it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    /// The sum over the words, of how far each is from the best match.
    distance: u8,
    kind: Kind,
    place: Place,
    number: u32,
}

/// What the rows of a place say of it.
struct Told {
    slug: Slug,
    version: String,
    name: String,
    about: String,
}

/// What is read of a page, to be put in order.
enum Read {
    Operations(HashMap<u32, Operation>),
    Entries(HashMap<u32, Entry>),
}

#[derive(Default)]
struct Matches {
    /// The best distance of each thing that has all words so far; nothing before the first word.
    found: Option<HashMap<(Place, Kind, u32), u8>>,
    places: BTreeMap<Place, Told>,
    partial: bool,
}

impl Matches {
    /// Keeps what has this word too. Answers whether anything is left.
    fn meet(&mut self, word: &str, rows: Vec<Posting>, kind: Option<Kind>) -> bool {
        let mut here: HashMap<(Place, Kind, u32), u8> = HashMap::new();
        let mut room = NUMBERS_MAX;
        for posting in rows {
            let Some((whole, place)) = Place::of(&posting.sk) else { continue };
            let is_exact = whole == word;
            for (key, numbers) in &posting.at {
                let Some(class) = words::class(key).filter(|class| kind.is_none_or(|kind| kind == class.0)) else {
                    continue;
                };
                let distance = class.1.distance(is_exact);
                let mut looked = 0;
                for number in words::unpack(numbers).take(room) {
                    looked += 1;
                    let item = (place, class.0, number);
                    let before = match &self.found {
                        None => 0,
                        Some(found) => match found.get(&item) {
                            None => continue,
                            Some(before) => *before,
                        },
                    };
                    let distance = before.saturating_add(distance);
                    here.entry(item).and_modify(|best| *best = distance.min(*best)).or_insert(distance);
                }
                room = room.saturating_sub(looked);
            }
            let Posting { slug, version, name, about, .. } = posting;
            self.places.entry(place).or_insert(Told { slug, version, name, about });
        }
        self.partial |= room == 0;
        let is_left = !here.is_empty();
        self.found = Some(here);
        is_left
    }

    fn ranked(&mut self) -> Vec<Rank> {
        let found = self.found.take().unwrap_or_default();
        let mut ranked: Vec<Rank> =
            found.into_iter().map(|((place, kind, number), distance)| Rank { distance, kind, place, number }).collect();
        ranked.sort_unstable();
        ranked
    }
}

impl Store {
    /// The rows of all words that begin so; of a single letter, only of the word itself.
    async fn postings(&self, owner: OrganizationId, word: &str) -> Result<(Vec<Posting>, bool), StoreError> {
        let prefix = if word.chars().nth(1).is_none() { format!("{word}#") } else { word.to_owned() };
        let (mut rows, mut start) = (Vec::new(), None);
        for _ in 0..PAGES_MAX {
            let answer = self
                .table
                .client
                .query()
                .table_name(&self.table.name)
                .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
                .expression_attribute_values(":pk", AttributeValue::S(partition(owner, word)))
                .expression_attribute_values(":prefix", AttributeValue::S(prefix.clone()))
                .consistent_read(true)
                .set_exclusive_start_key(start)
                .send()
                .await?;
            for item in answer.items.unwrap_or_default() {
                rows.push(serde_dynamo::aws_sdk_dynamodb_1::from_item(item)?);
            }
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok((rows, false));
            }
        }
        Ok((rows, true))
    }

    /// What has, for each word of the question, a word that begins so: the nearest first.
    pub(crate) async fn find(
        &self,
        owner: OrganizationId,
        question: Question<'_>,
        page: &PageRequest,
    ) -> Result<Found, StoreError> {
        let mut matches = Matches::default();
        for word in words::question(question.text) {
            let (rows, cut) = self.postings(owner, &word).await?;
            matches.partial |= cut;
            if !matches.meet(&word, rows, question.kind) {
                break;
            }
        }
        let ranked = matches.ranked();
        let after = page.after.as_deref().and_then(Rank::of);
        let from = after.map_or(0, |after| ranked.partition_point(|rank| *rank <= after));
        let size = usize::from(page.size);
        let mut searched: HashMap<ApiId, Option<VersionId>> = HashMap::new();
        let mut chosen: Vec<Rank> = Vec::new();
        for rank in ranked.get(from..).unwrap_or_default() {
            if let Place::Version(api, version) = rank.place {
                let current = match searched.get(&api) {
                    Some(current) => *current,
                    None => self.searched(api).await?,
                };
                searched.insert(api, current);
                // Left over by a crash, or on its way.
                if current != Some(version) {
                    continue;
                }
            }
            chosen.push(*rank);
            if chosen.len() > size {
                break;
            }
        }
        let more = chosen.len() > size;
        chosen.truncate(size);
        let position = chosen.last().filter(|_| more).map(Rank::text);
        Ok(Found { hits: self.hits(&chosen, &matches.places).await?, position, partial: matches.partial })
    }

    /// The version of an API that is searched.
    async fn searched(&self, api: ApiId) -> Result<Option<VersionId>, StoreError> {
        let counter: Option<Counter> = self.table.get(api.to_string(), "COUNTER").await?;
        Ok(counter.and_then(|counter| counter.searched))
    }

    /// What stands on a page, in its order.
    async fn hits(&self, chosen: &[Rank], places: &BTreeMap<Place, Told>) -> Result<Vec<Hit>, StoreError> {
        let mut wanted: BTreeMap<(VersionId, bool), Vec<u32>> = BTreeMap::new();
        for rank in chosen {
            if let Place::Version(_, version) = rank.place {
                wanted.entry((version, rank.kind == Kind::Operation)).or_default().push(rank.number);
            }
        }
        let mut read: HashMap<(VersionId, bool), Read> = HashMap::new();
        for ((version, is_operation), mut numbers) in wanted {
            numbers.sort_unstable();
            let found = if is_operation {
                Read::Operations(self.numbered(version, &numbers).await?)
            } else {
                Read::Entries(self.numbered(version, &numbers).await?)
            };
            read.insert((version, is_operation), found);
        }
        let hits = chosen.iter().filter_map(|rank| {
            let Told { slug, version, name, about } = places.get(&rank.place)?;
            let (name, about, version) = (name.clone(), about.clone(), version.clone());
            let thing = match rank.place {
                Place::Service(id) => Thing::Service { id, name, about },
                Place::Api(id) => Thing::Api { id, name, about },
                Place::Version(api, id) => match read.get_mut(&(id, rank.kind == Kind::Operation))? {
                    Read::Operations(all) => Thing::Operation { api, version, operation: all.remove(&rank.number)? },
                    Read::Entries(all) => Thing::Entry { api, version, entry: all.remove(&rank.number)? },
                },
            };
            Some(Hit { slug: slug.clone(), thing })
        });
        Ok(hits.collect())
    }

    /// Things by their ascending numbers: those that stand close together with one read.
    async fn numbered<T: Listed>(&self, version: VersionId, numbers: &[u32]) -> Result<HashMap<u32, T>, StoreError> {
        let mut found = HashMap::with_capacity(numbers.len());
        let mut rest = numbers;
        while let [first, ..] = rest {
            let near = rest.iter().take_while(|number| **number - first < NEAR).count().max(1);
            let (now, later) = rest.split_at(near);
            let last = now.last().copied().unwrap_or(*first);
            let listed: Vec<(u32, T)> = self.listed(version, *first, last - first + 1).await?;
            found.extend(listed.into_iter().filter(|(number, _)| now.binary_search(number).is_ok()));
            rest = later;
        }
        Ok(found)
    }
}

/// What has all of these words, in its order: the distance, the kind and the number of each.
#[cfg(test)]
pub(super) fn ranked(words: Vec<(&str, Vec<Posting>)>, kind: Option<Kind>) -> Vec<String> {
    let mut matches = Matches::default();
    for (word, rows) in words {
        matches.meet(word, rows, kind);
    }
    let shown = |rank: Rank| format!("{} {:?} {}", rank.distance, rank.kind, rank.number);
    matches.ranked().into_iter().map(shown).collect()
}

/// A position that was read and written again.
#[cfg(test)]
pub(super) fn again(position: &str) -> Option<String> {
    Rank::of(position).map(|rank| rank.text())
}

impl Rank {
    /// As a page's position.
    fn text(&self) -> String {
        let Self { distance, kind, place, number } = self;
        format!("{distance}#{number}#{}#{}", words::key((*kind, words::Part::Whole)), place.row(""))
    }

    fn of(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, '#');
        let (distance, number, kind) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?);
        let (_, place) = Place::of(parts.next()?)?;
        Some(Self { distance, kind: words::class(kind)?.0, place, number })
    }
}
