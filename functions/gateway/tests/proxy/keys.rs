//! What keys cost that open nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_dynamodb::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use gateway::App;
use shared::chassis::table::Table;

use crate::scene::{Scene, settings};
use crate::{is, outcome};

/// Counts what goes out to the table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counter(Arc<AtomicUsize>);

impl Intercept for Counter {
    fn name(&self) -> &'static str {
        "counter"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), aws_sdk_dynamodb::error::BoxError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

impl Counter {
    pub(crate) fn since(&self) -> usize {
        self.0.swap(0, Ordering::SeqCst)
    }
}

#[tokio::test]
async fn a_forged_key_costs_no_read_an_unknown_one_costs_one_and_a_new_one_works_at_once() {
    let mut scene = Scene::new().await;
    let counter = Counter::default();
    let Table { client, name } = scene.house.table.clone();
    let config = client.config().to_builder().interceptor(counter.clone()).build();
    scene.house.app = App::new(Table { client: aws_sdk_dynamodb::Client::from_conf(config), name }, settings());

    let own = std::mem::take(&mut scene.key);
    let (body, last) = own.split_at(own.len() - 1);
    let mistyped = format!("{body}{}", if last == "0" { "1" } else { "0" });
    let foreign = shared::secret_key::mint(&shared::seal::Secret::new("another"));
    for forged in ["", "x", "dw_", &mistyped, &foreign, &format!("{own}0")] {
        scene.key = forged.to_owned();
        assert_eq!(outcome(&scene.call("GET /things/1").await), is(401, "key-invalid"), "{forged}");
        assert_eq!(counter.since(), 0, "{forged}");
    }

    // It has the form of ours, and nobody told of it yet: it is looked up every time, so that it works once it is told.
    let new = shared::secret_key::mint(&house::door_secret());
    scene.key.clone_from(&new);
    for _ in 0..2 {
        assert_eq!(outcome(&scene.call("GET /things/1").await), is(401, "key-invalid"));
        assert_eq!(counter.since(), 1);
    }
    scene.tell_key(&new, 2).await;
    assert_eq!(scene.call("GET /things/1").await.status, 200);

    // Warm, a call is one write.
    scene.key = own;
    assert_eq!(scene.call("GET /things/1").await.status, 200);
    counter.since();
    assert_eq!(scene.call("GET /things/1").await.status, 200);
    assert_eq!(counter.since(), 1);
}
