//! The rules: what an app and a subscription are, and which changes a subscription allows to whom.

mod note;
pub mod summary;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use shared::event::{AppState, Approval, SubscriptionPhase, SubscriptionState, Terms};
use shared::id::{AppId, OrganizationId, PlanId, ProductId, SubscriptionId};
use shared::principal::{Party, Permission, Principal};
use shared::slug::Slug;
use shared::text::Label;
use shared::time::Time;

pub use note::{NotANote, Note};
pub use summary::Summary;

/// An app may have so many subscriptions that are not cancelled.
pub const LIVE_MAX: u32 = 1000;
/// How often the terms of a subscription may change in a calendar month.
pub const CHANGES_MAX: u32 = 100;

/// An app: whoever calls.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct App {
    /// Its id.
    pub id: AppId,
    /// Raised by every change.
    pub revision: u64,
    /// The organization that it belongs to.
    pub organization: Party,
    /// Its name for people.
    pub name: Label,
    /// What it is.
    pub description: Option<Note>,
    /// The slug of the service of its organization that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Slug>,
    /// When it was made.
    pub created_at: Time,
    /// When it was last changed.
    pub updated_at: Time,
}

impl App {
    /// A new app.
    #[must_use]
    pub fn new(organization: Party, name: Label, description: Option<Note>, service: Option<Slug>, now: Time) -> Self {
        let (id, revision) = (AppId::new(), 1);
        Self { id, revision, organization, name, description, service, created_at: now, updated_at: now }
    }

    /// With another name, description or service; the same app where nothing differs.
    #[must_use]
    pub fn changed(
        &self,
        name: Option<Label>,
        description: Option<Option<Note>>,
        service: Option<Option<Slug>>,
        now: Time,
    ) -> Self {
        let mut next = self.clone();
        next.name = name.unwrap_or(next.name);
        next.description = description.unwrap_or(next.description);
        next.service = service.unwrap_or(next.service);
        if next != *self {
            next.revision += 1;
            next.updated_at = now;
        }
        next
    }

    /// Its public state.
    #[must_use]
    pub fn state(&self) -> AppState {
        AppState {
            id: self.id,
            revision: self.revision,
            organization: self.organization.clone(),
            name: self.name.to_string(),
            service: self.service.clone(),
        }
    }
}

/// A product as a subscription needs it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Product {
    /// Its id.
    pub id: ProductId,
    /// Its slug.
    pub slug: Slug,
    /// Who sells it.
    pub provider: Party,
}

/// A plan as it is offered now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Offer {
    /// Whether it takes no new subscriptions any more.
    pub retired: bool,
    /// The terms of its newest version.
    pub terms: Terms,
}

impl Offer {
    /// The terms, if they may be had.
    pub fn terms(self) -> Result<Terms, Refusal> {
        if self.retired { Err(Refusal::Retired { plan: self.terms.plan_slug }) } else { Ok(self.terms) }
    }
}

/// A side of a subscription. One organization may be both.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Whose app calls.
    #[default]
    Consumer,
    /// Whose APIs are called.
    Provider,
}

/// A change of a subscription, without what it needs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Verb {
    /// The provider lets a requested one in.
    Approve,
    /// The provider turns a requested one away.
    Decline,
    /// The provider stops an active one for now.
    Suspend,
    /// The provider ends a suspension.
    Resume,
    /// Either side ends it for good.
    Cancel,
    /// The consumer takes the terms that a plan of the same product has now.
    ChangePlan,
}

/// A change of a subscription.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// See [`Verb::Approve`].
    Approve,
    /// See [`Verb::Decline`]; with the reason.
    Decline(Option<Note>),
    /// See [`Verb::Suspend`]; with the reason.
    Suspend(Option<Note>),
    /// See [`Verb::Resume`].
    Resume,
    /// See [`Verb::Cancel`].
    Cancel,
    /// See [`Verb::ChangePlan`]; with what the plan offers.
    ChangePlan(Box<Offer>),
}

impl Action {
    /// Which change it is.
    #[must_use]
    pub fn verb(&self) -> Verb {
        match self {
            Self::Approve => Verb::Approve,
            Self::Decline(_) => Verb::Decline,
            Self::Suspend(_) => Verb::Suspend,
            Self::Resume => Verb::Resume,
            Self::Cancel => Verb::Cancel,
            Self::ChangePlan(_) => Verb::ChangePlan,
        }
    }
}

impl Verb {
    /// What happens to the subscription, in words.
    #[must_use]
    pub fn participle(self) -> &'static str {
        match self {
            Self::Approve => "approved",
            Self::Decline => "declined",
            Self::Suspend => "suspended",
            Self::Resume => "resumed",
            Self::Cancel => "cancelled",
            Self::ChangePlan => "moved to another plan",
        }
    }

    /// The sides that may do it, and the permission that the caller needs there.
    fn sides(self) -> &'static [(Side, Permission)] {
        match self {
            Self::Approve | Self::Decline | Self::Suspend | Self::Resume => {
                &[(Side::Provider, Permission::SubscriptionsApprove)]
            }
            Self::ChangePlan => &[(Side::Consumer, Permission::SubscriptionsWrite)],
            Self::Cancel => {
                &[(Side::Consumer, Permission::SubscriptionsWrite), (Side::Provider, Permission::SubscriptionsApprove)]
            }
        }
    }

    /// The state that it leads to from another; none where that state does not allow it.
    fn target(self, from: SubscriptionPhase) -> Option<SubscriptionPhase> {
        use SubscriptionPhase::{Active, Cancelled, Requested, Suspended};
        match (self, from) {
            (Self::Approve, Requested) | (Self::Resume, Suspended) | (Self::ChangePlan, Active) => Some(Active),
            (Self::Suspend, Active) => Some(Suspended),
            (Self::Decline, Requested) | (Self::Cancel, Requested | Active | Suspended) => Some(Cancelled),
            _ => None,
        }
    }
}

/// Why a change is refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// It is the other side's business, or needs a permission that the caller lacks on this side.
    #[error("A subscription can be {action} only by {who}")]
    OtherSide {
        /// What was tried.
        action: &'static str,
        /// Who may.
        who: String,
    },
    /// The state does not allow it.
    #[error("The subscription is {}: it cannot be {action}", word(*.state))]
    State {
        /// What was tried.
        action: &'static str,
        /// The state that it is in.
        state: SubscriptionPhase,
    },
    /// The plan is no longer offered.
    #[error("The plan `{plan}` is retired and takes no subscriptions any more: choose another one")]
    Retired {
        /// The plan's slug.
        plan: Slug,
    },
    /// The plan needs an approval that only a new subscription can get.
    #[error(
        "The plan `{plan}` needs the provider's approval: subscribe to it anew and cancel this subscription once the new one is active"
    )]
    NeedsApproval {
        /// The plan's slug.
        plan: Slug,
    },
    /// A month is sealed with all terms that held in it, which must fit one event.
    #[error("The plan was changed {CHANGES_MAX} times this month: it can be changed again from {from}")]
    TooManyChanges {
        /// The beginning of the next month.
        from: Time,
    },
}

/// A state in words, as in JSON.
#[must_use]
pub fn word(state: SubscriptionPhase) -> &'static str {
    match state {
        SubscriptionPhase::Requested => "requested",
        SubscriptionPhase::Active => "active",
        SubscriptionPhase::Suspended => "suspended",
        SubscriptionPhase::Cancelled => "cancelled",
    }
}

/// A subscription: its public state, and what only its own sides see.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Subscription {
    /// Raised by every change; the state's own.
    pub revision: u64,
    /// The public state.
    pub state: SubscriptionState,
    /// Why the provider suspended or declined it.
    pub reason: Option<Note>,
    /// When it was last changed.
    pub updated_at: Time,
    /// How often its terms were changed in the calendar month (UTC) of the last such change.
    #[serde(default)]
    pub changes: u32,
}

impl Subscription {
    /// A new subscription of an app to what a product offers: active, or requested where the plan asks for approval.
    pub fn new(app: &App, product: Product, offer: Offer, now: Time) -> Result<Self, Refusal> {
        let terms = offer.terms()?;
        let state = match terms.approval {
            Approval::Automatic => SubscriptionPhase::Active,
            Approval::Manual => SubscriptionPhase::Requested,
        };
        let state = SubscriptionState {
            id: SubscriptionId::new(),
            revision: 1,
            state,
            organization: app.organization.clone(),
            provider: product.provider,
            app: app.id,
            app_name: app.name.to_string(),
            product: product.id,
            product_slug: product.slug,
            terms,
            terms_revision: 1,
            terms_since: now,
            created_at: now,
            activated_at: (state == SubscriptionPhase::Active).then_some(now),
            cancelled_at: None,
        };
        Ok(Self { revision: 1, state, reason: None, updated_at: now, changes: 0 })
    }

    /// Whether an organization is this side of it.
    #[must_use]
    pub fn is_side(&self, organization: OrganizationId, side: Side) -> bool {
        organization
            == match side {
                Side::Consumer => self.state.organization.id,
                Side::Provider => self.state.provider.id,
            }
    }

    /// Whether an organization may know of it.
    #[must_use]
    pub fn is_known_to(&self, organization: OrganizationId) -> bool {
        self.is_side(organization, Side::Consumer) || self.is_side(organization, Side::Provider)
    }

    /// Whether its keys may ever open the door again.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.state.state != SubscriptionPhase::Cancelled
    }

    /// Whether a caller may do this to it at all, whatever its state. The caller's organization is one of its sides.
    pub fn permit(&self, caller: &Principal, verb: Verb) -> Result<(), Refusal> {
        let sides = verb.sides();
        if sides.iter().any(|(side, permission)| self.is_side(caller.organization.id, *side) && caller.may(*permission))
        {
            return Ok(());
        }
        let who = sides.iter().map(|(side, permission)| {
            let side = match side {
                Side::Consumer => "its consumer",
                Side::Provider => "its provider",
            };
            format!("{side} with the permission `{}`", permission.as_str())
        });
        Err(Refusal::OtherSide { action: verb.participle(), who: who.collect::<Vec<_>>().join(", or ") })
    }

    /// Whether its state allows a change, before anybody is asked for more.
    pub fn allow(&self, verb: Verb) -> Result<SubscriptionPhase, Refusal> {
        verb.target(self.state.state).ok_or(Refusal::State { action: verb.participle(), state: self.state.state })
    }

    /// The subscription after a change; the same one where the change changes nothing.
    pub fn apply(&self, action: Action, now: Time) -> Result<Self, Refusal> {
        let target = self.allow(action.verb())?;
        let mut next = self.clone();
        next.state.state = target;
        match action {
            Action::Approve => next.state.activated_at = next.state.activated_at.or(Some(now)),
            Action::Resume => next.reason = None,
            Action::Suspend(reason) => next.reason = reason,
            Action::Decline(reason) => {
                next.reason = reason;
                next.state.cancelled_at = Some(now);
            }
            Action::Cancel => next.state.cancelled_at = Some(now),
            Action::ChangePlan(offer) => {
                let terms = offer.terms()?;
                let same: PlanId = self.state.terms.plan;
                if terms.plan != same && terms.approval == Approval::Manual {
                    return Err(Refusal::NeedsApproval { plan: terms.plan_slug });
                }
                if terms == self.state.terms {
                    return Ok(next);
                }
                let month = now.month();
                next.changes = if self.state.terms_since.month() == month { self.changes + 1 } else { 1 };
                if next.changes > CHANGES_MAX {
                    return Err(Refusal::TooManyChanges { from: month.1 });
                }
                next.state.terms = terms;
                next.state.terms_revision += 1;
                next.state.terms_since = now;
            }
        }
        next.revision += 1;
        next.state.revision = next.revision;
        next.updated_at = now;
        Ok(next)
    }
}
