//! The demo's upstream: a weather API as a customer might run one behind Doorway. `openapi.yaml` beside this crate describes it.
//!
//! Its answers depend on the request alone (and on what was posted), so that tests can write them out. Beside the API proper it fails and dawdles on demand, shows
//! what reached it, and counts: [`Weather::calls`] is the truth about how many calls got through the door.

mod api;
mod demand;

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::Response,
    routing::{any, get, post},
};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

/// The API's own document, OpenAPI 3.1 in YAML.
pub const DOCUMENT: &str = include_str!("../openapi.yaml");

/// A running upstream. Dropping it stops it.
#[derive(Debug)]
pub struct Weather {
    address: SocketAddr,
    state: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<()>,
}

/// What all requests share.
#[derive(Debug, Default)]
struct Shared {
    calls: AtomicU64,
    by_path: Mutex<BTreeMap<String, u64>>,
    observations: Mutex<Vec<api::Observation>>,
}

impl Weather {
    /// Starts on a port of 127.0.0.1; 0 takes any that is free.
    ///
    /// # Errors
    /// The port is taken.
    pub async fn start(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(Shared::default());
        let (stop, stopped) = oneshot::channel::<()>();
        let router = router(Arc::clone(&state));
        let server = tokio::spawn(async move {
            // A dropped sender stops it too.
            let _served = axum::serve(listener, router)
                .with_graceful_shutdown(async {
                    let _stopped = stopped.await;
                })
                .await;
        });
        Ok(Self { address, state, stop: Some(stop), server })
    }

    /// Its base address, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// How many requests have reached it, whatever it answered.
    pub fn calls(&self) -> u64 {
        self.state.calls.load(Ordering::SeqCst)
    }

    /// How many requests have reached a path, such as `/forecast/oslo`.
    pub fn calls_of(&self, path: &str) -> u64 {
        let by_path = self.state.by_path.lock().unwrap_or_else(PoisonError::into_inner);
        by_path.get(path).copied().unwrap_or(0)
    }

    /// Stops listening and waits for what is under way.
    pub async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            let _gone = stop.send(());
        }
        let _ended = self.server.await;
    }
}

fn router(state: Arc<Shared>) -> Router {
    Router::new()
        .route("/forecast/{city}", get(api::forecast))
        .route("/stations", get(api::stations))
        .route("/stations/{station}", get(api::station))
        .route("/observations", post(api::observe).get(api::observations))
        .route("/failures/{status}", get(demand::fail).post(demand::fail))
        .route("/slow", get(demand::slow))
        .route("/drop", get(demand::drop_connection))
        .route("/echo", any(demand::echo))
        .route("/echo/{*rest}", any(demand::echo))
        .layer(middleware::from_fn_with_state(Arc::clone(&state), count))
        .with_state(state)
}

async fn count(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    shared.calls.fetch_add(1, Ordering::SeqCst);
    let path = request.uri().path().to_owned();
    *shared.by_path.lock().unwrap_or_else(PoisonError::into_inner).entry(path).or_insert(0) += 1;
    next.run(request).await
}
