//! `rolegate probe URL`: whether an address answers 2xx, for health checks where there is no shell.

use std::process::ExitCode;

use crate::provider::outbound::Outbound;

/// 0 if the address answers 2xx, else 1 with a line on standard error.
pub fn run(url: &str) -> ExitCode {
    match probe(url) {
        Ok(status) if (200..300).contains(&status) => ExitCode::SUCCESS,
        Ok(status) => {
            eprintln!("{url}: status {status}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{url}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn probe(url: &str) -> Result<u16, Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let request = http::Request::get(url).body(Vec::new())?;
    let answer = runtime.block_on(async {
        let outbound = Outbound::new(None).map_err(std::io::Error::other)?;
        outbound.exchange(request).await.map_err(std::io::Error::other)
    })?;
    Ok(answer.status().as_u16())
}
