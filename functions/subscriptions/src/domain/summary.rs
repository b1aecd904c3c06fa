//! A subscription as it stands in lists: without its terms, whose weights may be long.

use serde::{Deserialize, Serialize};
use shared::event::SubscriptionPhase;
use shared::id::{AppId, PlanId, ProductId, SubscriptionId};
use shared::principal::Party;
use shared::slug::Slug;
use shared::time::Time;

use super::{Note, Subscription};

/// The app of a subscription.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = SubscribedApp)]
pub struct App {
    /// Its id.
    pub id: AppId,
    /// Its name when it subscribed.
    #[schema(max_length = 100)]
    pub name: String,
}

/// The product of a subscription.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = SubscribedProduct)]
pub struct Product {
    /// Its id.
    pub id: ProductId,
    /// Its slug.
    pub slug: Slug,
}

/// The plan of a subscription.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = SubscribedPlan)]
pub struct Plan {
    /// Its id.
    pub id: PlanId,
    /// Its slug.
    pub slug: Slug,
    /// The version whose terms hold.
    pub version: u32,
}

/// A subscription without its terms.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = SubscriptionSummary)]
pub struct Summary {
    /// Its id.
    pub id: SubscriptionId,
    /// Raised by every change.
    pub revision: u64,
    /// Its state, changed by actions only.
    pub state: SubscriptionPhase,
    /// The consumer.
    pub organization: Party,
    /// The provider.
    pub provider: Party,
    /// The app.
    pub app: App,
    /// The product.
    pub product: Product,
    /// The plan.
    pub plan: Plan,
    /// Why the provider suspended or declined it, if a reason was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Note>,
    /// When it was made.
    pub created_at: Time,
    /// When it was last changed.
    pub updated_at: Time,
    /// When it first became active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activated_at: Option<Time>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled_at: Option<Time>,
}

impl Summary {
    /// Of a subscription.
    #[must_use]
    pub fn of(subscription: &Subscription) -> Self {
        let state = &subscription.state;
        Self {
            id: state.id,
            revision: subscription.revision,
            state: state.state,
            organization: state.organization.clone(),
            provider: state.provider.clone(),
            app: App { id: state.app, name: state.app_name.clone() },
            product: Product { id: state.product, slug: state.product_slug.clone() },
            plan: Plan { id: state.terms.plan, slug: state.terms.plan_slug.clone(), version: state.terms.plan_version },
            reason: subscription.reason.clone(),
            created_at: state.created_at,
            updated_at: subscription.updated_at,
            activated_at: state.activated_at,
            cancelled_at: state.cancelled_at,
        }
    }
}
