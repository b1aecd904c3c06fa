//! How a test gets its platform, and what happens to it afterwards.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{Arc, LazyLock, Mutex, PoisonError, Weak},
};

use tokio::runtime::Runtime;

use crate::{Platform, Settings};

/// Everything of all tests runs here, so that a platform outlives the test that started it.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
});
static SHARED: Mutex<Weak<Platform>> = Mutex::new(Weak::new());

/// Runs a test that needs no platform.
pub fn run(journey: impl AsyncFnOnce()) {
    RUNTIME.block_on(journey());
}

/// Runs a test on the platform that such tests share. The first one starts it, the last one ends it.
pub fn together(journey: impl AsyncFnOnce(&Platform)) {
    let platform = {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let platform = Arc::new(RUNTIME.block_on(Platform::start(Settings::default())));
            *shared = Arc::downgrade(&platform);
            platform
        })
    };
    travel(platform, journey);
}

/// Runs a test on a platform of its own.
pub fn alone(settings: Settings, journey: impl AsyncFnOnce(&Platform)) {
    travel(Arc::new(RUNTIME.block_on(Platform::start(settings))), journey);
}

fn travel(platform: Arc<Platform>, journey: impl AsyncFnOnce(&Platform)) {
    let outcome = catch_unwind(AssertUnwindSafe(|| RUNTIME.block_on(journey(&platform))));
    if outcome.is_err() {
        eprintln!("{}", platform.complaints());
    }
    if let Some(platform) = Arc::into_inner(platform) {
        RUNTIME.block_on(platform.stop());
    }
    if let Err(panic) = outcome {
        resume_unwind(panic);
    }
}
