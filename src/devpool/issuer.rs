//! The issuer's form, and what keeps it from being taken for a real pool's by accident.

use super::PoolError;

/// The issuer of a pool at `public_url`.
///
/// Threat: tokens that anyone on this machine can have made, with the issuer of a pool that others trust. No key of
/// theirs verifies them, but a verifier that is pointed at this pool's keys takes them for real.
pub(super) fn issuer(public_url: &str, pool_id: &str, aws_form: bool) -> Result<String, PoolError> {
    if is_amazons(public_url) {
        return Err(PoolError::RealIssuer(public_url.to_owned()));
    }
    if !aws_form {
        return Ok(format!("{public_url}/{pool_id}"));
    }
    let region = pool_id.split('_').next().unwrap_or_default();
    Ok(format!("https://cognito-idp.{region}.amazonaws.com/{pool_id}"))
}

fn is_amazons(public_url: &str) -> bool {
    let host = url::Url::parse(public_url).ok().and_then(|url| url.host_str().map(str::to_ascii_lowercase));
    host.is_some_and(|host| {
        let host = host.trim_end_matches('.');
        AMAZONS.iter().any(|domain| host == *domain || host.ends_with(&format!(".{domain}")))
    })
}

const AMAZONS: [&str; 4] = ["amazonaws.com", "amazonaws.com.cn", "amazonaws.eu", "amazoncognito.com"];
