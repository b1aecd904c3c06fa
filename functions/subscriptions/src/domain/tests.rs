use proptest::prelude::*;
use shared::event::Admission;
use shared::principal::Role;

use super::*;

fn party(slug: &str) -> Party {
    Party { id: OrganizationId::new(), slug: slug.parse().unwrap() }
}

fn terms(plan: PlanId, version: u32, approval: Approval) -> Terms {
    Terms {
        plan,
        plan_slug: "starter".parse().unwrap(),
        plan_version: version,
        apis: Vec::new(),
        currency: "EUR".parse().unwrap(),
        monthly_price: "9.00".parse().unwrap(),
        included_calls: 10,
        price_per_call: "0.01".parse().unwrap(),
        quota: None,
        rate: None,
        weights: std::collections::BTreeMap::new(),
        approval,
        admission: Admission::Exact,
    }
}

fn offer(plan: PlanId, version: u32, approval: Approval) -> Offer {
    Offer { retired: false, terms: terms(plan, version, approval) }
}

fn at(ms: i64) -> Time {
    Time::from_ms(1_800_000_000_000 + ms)
}

fn subscription(approval: Approval) -> Subscription {
    let app = App::new(party("acme"), "Trip planner".parse().unwrap(), None, None, at(0));
    let product = Product { id: ProductId::new(), slug: "weather".parse().unwrap(), provider: party("nimbus") };
    Subscription::new(&app, product, offer(PlanId::new(), 1, approval), at(0)).unwrap()
}

fn caller(organization: &Party, role: Role) -> Principal {
    Principal { organization: organization.clone(), actor: "token".into(), role, scopes: None }
}

fn note(text: &str) -> Note {
    text.parse().unwrap()
}

const PHASES: [SubscriptionPhase; 4] = [
    SubscriptionPhase::Requested,
    SubscriptionPhase::Active,
    SubscriptionPhase::Suspended,
    SubscriptionPhase::Cancelled,
];

#[test]
fn a_subscription_begins_as_its_plan_says() {
    let active = subscription(Approval::Automatic);
    assert_eq!((active.state.state, active.state.activated_at), (SubscriptionPhase::Active, Some(at(0))));
    let requested = subscription(Approval::Manual);
    assert_eq!((requested.state.state, requested.state.activated_at), (SubscriptionPhase::Requested, None));
    assert_eq!((requested.revision, requested.state.revision, requested.state.terms_revision), (1, 1, 1));
}

/// The whole table of the state machine, written out.
#[test]
fn every_state_allows_exactly_what_the_table_says() {
    use SubscriptionPhase::{Active, Cancelled, Suspended};
    let start = subscription(Approval::Automatic);
    let table: [(Action, [Option<SubscriptionPhase>; 4]); 6] = [
        // from:                                     requested        active           suspended        cancelled
        (Action::Approve, [Some(Active), None, None, None]),
        (Action::Decline(None), [Some(Cancelled), None, None, None]),
        (Action::Suspend(None), [None, Some(Suspended), None, None]),
        (Action::Resume, [None, None, Some(Active), None]),
        (Action::Cancel, [Some(Cancelled), Some(Cancelled), Some(Cancelled), None]),
        (
            Action::ChangePlan(Box::new(offer(start.state.terms.plan, 2, Approval::Automatic))),
            [None, Some(Active), None, None],
        ),
    ];
    for (action, row) in table {
        for (from, expected) in PHASES.into_iter().zip(row) {
            let mut before = start.clone();
            before.state.state = from;
            let after = before.apply(action.clone(), at(1));
            match expected {
                Some(state) => assert_eq!(after.unwrap().state.state, state, "{action:?} from {from:?}"),
                None => assert_eq!(after, Err(Refusal::State { action: action.verb().participle(), state: from })),
            }
        }
    }
}

#[test]
fn a_refusal_names_the_state() {
    let mut subscription = subscription(Approval::Automatic);
    subscription.state.state = SubscriptionPhase::Cancelled;
    let refusal = subscription.apply(Action::Resume, at(1)).unwrap_err();
    assert_eq!(refusal.to_string(), "The subscription is cancelled: it cannot be resumed");
}

#[test]
fn each_side_does_its_own_business_only() {
    let subscription = subscription(Approval::Automatic);
    let (consumer, provider) = (subscription.state.organization.clone(), subscription.state.provider.clone());
    let may = |party: &Party, role, verb| subscription.permit(&caller(party, role), verb).is_ok();
    for verb in [Verb::Approve, Verb::Decline, Verb::Suspend, Verb::Resume] {
        assert!(may(&provider, Role::Owner, verb) && may(&provider, Role::Publisher, verb));
        assert!(
            !may(&consumer, Role::Owner, verb)
                && !may(&provider, Role::Developer, verb)
                && !may(&provider, Role::Viewer, verb)
        );
    }
    assert!(
        may(&consumer, Role::Developer, Verb::ChangePlan)
            && !may(&provider, Role::Owner, Verb::ChangePlan)
            && !may(&consumer, Role::Publisher, Verb::ChangePlan)
    );
    assert!(may(&consumer, Role::Developer, Verb::Cancel) && may(&provider, Role::Publisher, Verb::Cancel));
    assert!(!may(&consumer, Role::Publisher, Verb::Cancel) && !may(&provider, Role::Developer, Verb::Cancel));
    assert!(!subscription.is_known_to(OrganizationId::new()));
}

#[test]
fn a_plan_that_needs_approval_cannot_be_slipped_into() {
    let subscription = subscription(Approval::Automatic);
    let own = subscription.state.terms.plan;
    let other = Action::ChangePlan(Box::new(offer(PlanId::new(), 1, Approval::Manual)));
    assert!(matches!(subscription.apply(other, at(1)), Err(Refusal::NeedsApproval { .. })));
    let newer = subscription.apply(Action::ChangePlan(Box::new(offer(own, 2, Approval::Manual))), at(1)).unwrap();
    assert_eq!((newer.state.terms.plan_version, newer.state.terms_revision, newer.revision), (2, 2, 2));
    let mut retired = offer(own, 3, Approval::Automatic);
    retired.retired = true;
    assert!(matches!(newer.apply(Action::ChangePlan(Box::new(retired)), at(2)), Err(Refusal::Retired { .. })));
}

#[test]
fn a_plan_is_not_changed_more_often_than_a_months_seal_has_room_for() {
    let change = |subscription: &Subscription, version: u32, now: Time| {
        let own = subscription.state.terms.plan;
        subscription.apply(Action::ChangePlan(Box::new(offer(own, version, Approval::Automatic))), now)
    };
    let mut changed = subscription(Approval::Automatic);
    for version in 2..2 + CHANGES_MAX {
        changed = change(&changed, version, at(1)).unwrap();
    }
    let from = at(1).month().1;
    assert_eq!(change(&changed, 1_000, at(2)), Err(Refusal::TooManyChanges { from }));
    let later = change(&changed, 1_000, from).unwrap();
    assert_eq!((later.changes, later.state.terms_since), (1, from));
}

#[test]
fn the_terms_that_hold_already_change_nothing() {
    let subscription = subscription(Approval::Automatic);
    let same = Action::ChangePlan(Box::new(Offer { retired: false, terms: subscription.state.terms.clone() }));
    assert_eq!(subscription.apply(same, at(9)).unwrap(), subscription);
}

#[test]
fn a_reason_stands_as_long_as_what_it_explains() {
    let suspended = subscription(Approval::Automatic).apply(Action::Suspend(Some(note("unpaid"))), at(1)).unwrap();
    assert_eq!(suspended.reason, Some(note("unpaid")));
    assert_eq!(suspended.apply(Action::Resume, at(2)).unwrap().reason, None);
    assert_eq!(suspended.apply(Action::Cancel, at(2)).unwrap().reason, Some(note("unpaid")));
}

#[test]
fn an_app_that_is_not_changed_keeps_its_revision() {
    let app = App::new(party("acme"), "A".parse().unwrap(), Some(note("x")), Some("planner".parse().unwrap()), at(0));
    assert_eq!(app.changed(Some("A".parse().unwrap()), None, None, at(1)), app);
    assert_eq!(app.state().service, app.service, "its event tells which service it is");
    let cleared = app.changed(None, Some(None), None, at(1));
    assert_eq!(app.changed(None, None, Some(None), at(1)).service, None);
    assert_eq!((cleared.revision, cleared.description, cleared.updated_at), (2, None, at(1)));
}

fn action() -> impl Strategy<Value = Action> {
    let approval = prop_oneof![Just(Approval::Automatic), Just(Approval::Manual)];
    prop_oneof![
        Just(Action::Approve),
        Just(Action::Decline(Some(note("no")))),
        Just(Action::Suspend(None)),
        Just(Action::Suspend(Some(note("why")))),
        Just(Action::Resume),
        Just(Action::Cancel),
        (1_u32..4, approval, any::<bool>()).prop_map(|(version, approval, retired)| {
            let mut offer = offer(PlanId::new(), version, approval);
            offer.retired = retired;
            Action::ChangePlan(Box::new(offer))
        }),
    ]
}

proptest! {
    /// Whatever is tried, in whatever order.
    #[test]
    fn any_history_keeps_the_laws(manual: bool, actions in proptest::collection::vec(action(), 0..40)) {
        let mut now = subscription(if manual { Approval::Manual } else { Approval::Automatic });
        let mut ms = 0;
        for action in actions {
            ms += 1;
            let before = now.clone();
            let Ok(after) = now.apply(action.clone(), at(ms)) else { continue };
            // Every change is seen: one revision each, of the row and of the event alike.
            prop_assert_eq!(after.revision, before.revision + 1);
            prop_assert_eq!(after.state.revision, after.revision);
            // Cancelled is for good.
            prop_assert_ne!(before.state.state, SubscriptionPhase::Cancelled);
            prop_assert_eq!(after.is_live(), after.state.cancelled_at.is_none());
            // Nobody calls before it was active once, and what was active once says since when.
            prop_assert_eq!(before.state.activated_at.is_some() || after.state.state == SubscriptionPhase::Active, after.state.activated_at.is_some());
            prop_assert!(before.state.activated_at.is_none() || before.state.activated_at == after.state.activated_at);
            // The terms change by a change of plan only, and say so.
            let changed = after.state.terms != before.state.terms;
            prop_assert_eq!(changed, matches!(action, Action::ChangePlan(_)));
            prop_assert_eq!(after.state.terms_revision, before.state.terms_revision + u64::from(changed));
            // Nothing else ever changes.
            let mut same = after.state.clone();
            same.state = before.state.state;
            same.revision = before.state.revision;
            same.terms = before.state.terms.clone();
            same.terms_revision = before.state.terms_revision;
            same.terms_since = before.state.terms_since;
            same.activated_at = before.state.activated_at;
            same.cancelled_at = before.state.cancelled_at;
            prop_assert_eq!(same, before.state);
            now = after;
        }
    }
}
