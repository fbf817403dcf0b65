//! Counts calls to the token endpoint and its neighbours, by how they ended.

use std::future::Future;

use super::client::TokenEndpointFault;
use crate::clock::Stopwatch;
use crate::tally::Tally;

/// Does `work`, and counts it as this `call`.
pub(super) async fn counted<T>(
    tally: &Tally,
    call: &'static str,
    work: impl Future<Output = Result<T, TokenEndpointFault>>,
) -> Result<T, TokenEndpointFault> {
    let watch = Stopwatch::start();
    let answer = work.await;
    let (outcome, error) = match &answer {
        Ok(_) => ("ok", None),
        Err(TokenEndpointFault::Refused { error, .. }) => ("refused", Some(error.as_str())),
        Err(TokenEndpointFault::Unreachable(fault)) => (fault.outcome(), None),
        Err(TokenEndpointFault::Answer(_)) => ("bad_answer", None),
    };
    tally.pool_called(call, outcome, error, watch.taken().as_secs_f64());
    answer
}
