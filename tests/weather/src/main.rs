//! Runs the weather API alone: `weather [port]`. Prints its base address and serves until it is interrupted.

use std::{io::Write as _, process::ExitCode};

use weather::Weather;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _shown = writeln!(std::io::stderr(), "weather: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let port = match std::env::args().nth(1) {
        Some(text) => text.parse().map_err(|_| format!("{text} is no port"))?,
        None => 0,
    };
    let weather = Weather::start(port).await?;
    writeln!(std::io::stdout(), "{}", weather.url())?;
    tokio::signal::ctrl_c().await?;
    weather.stop().await;
    Ok(())
}
