//! Discovery and keys, judged: whose document it is, what is missing in it, and whether the gate would take it. ★

use serde_json::Value;
use url::Url;

use super::answers::{Answer, Silence, Why};
use super::aws::{Aws, shell};
use super::report::{Finding, quoted};
use crate::config::settings::{Provider, ProviderKind};
use crate::config::shape::distance;
use crate::identity::jwks::KeySet;
use crate::provider::discovery::{self, DiscoveryFault, Endpoints};

/// What discovery comes to.
#[derive(Debug, Clone, Default)]
pub(super) struct Reach {
    /// Of `discovery`, `issuer` and `domain`; `keys` where they cannot be asked for.
    pub(super) findings: Vec<Finding>,
    /// Where things are, as the document says.
    pub(super) addresses: Vec<(&'static str, String)>,
    /// Where the keys are, if they may be there.
    pub(super) jwks: Option<Url>,
    /// Where the rest is, if it may be there.
    pub(super) endpoints: Option<Endpoints>,
    /// Whether the gate itself takes the document: a secret goes nowhere else.
    pub(super) trusted: bool,
    /// Why what is not here is not looked at.
    pub(super) hidden: String,
}

/// Where the discovery document is.
pub(super) fn discovery_url(provider: &Provider) -> String {
    format!("{}/.well-known/openid-configuration", provider.issuer.trim_end_matches('/'))
}

/// Judges the answer for the discovery document.
pub(super) fn read(provider: &Provider, answer: &Answer) -> Reach {
    let document = match document(provider, answer) {
        Ok(document) => document,
        Err(finding) => {
            let hidden = "not looked at: there is no discovery document".to_owned();
            let missing = [ISSUER, domain_word(provider)].map(|what| Finding::unseen(what, hidden.clone()));
            let findings = std::iter::once(finding).chain(missing).collect();
            return Reach { findings, hidden, ..Reach::default() };
        }
    };
    let mut reach = Reach {
        findings: vec![Finding::ok(DISCOVERY, format!("{} answers", discovery_url(provider)))],
        addresses: addresses(&document),
        ..Reach::default()
    };
    let text = |name: &str| document[name].as_str().unwrap_or_default();
    let named = text("issuer");
    let same = named == provider.issuer;
    reach.findings.push(if same {
        Finding::ok(ISSUER, format!("{named}, as the configuration has it"))
    } else {
        other_issuer(provider, named)
    });
    if ["authorization_endpoint", "token_endpoint"].iter().any(|name| names_no_host(text(name))) {
        reach.findings.push(no_domain(provider));
        reach.jwks = jwks_alone(text("jwks_uri"), named);
        reach.hidden = match provider.kind {
            ProviderKind::Cognito { .. } => "not looked at: the pool has no domain",
            ProviderKind::Oidc => "not looked at: the provider has no such endpoint",
        }
        .to_owned();
        return reach;
    }
    let bytes = document.to_string();
    // What is only named otherwise can still be looked at, without a secret.
    let mut lenient = Provider { issuer: named.to_owned(), ..provider.clone() };
    let judged = discovery::read(bytes.as_bytes(), &lenient);
    let (domain, endpoints) = match judged {
        Ok(endpoints) => {
            let home = endpoints.authorize.origin().ascii_serialization();
            (Finding::ok(domain_word(provider), home), Some(endpoints))
        }
        Err(fault) => {
            let finding = bad_endpoint(provider, &fault);
            if let ProviderKind::Cognito { domain, .. } = &mut lenient.kind {
                *domain = None;
            }
            (finding, discovery::read(bytes.as_bytes(), &lenient).ok())
        }
    };
    reach.trusted = same && domain.level == super::report::Level::Ok;
    reach.findings.push(domain);
    reach.jwks = endpoints.as_ref().map(|endpoints| endpoints.jwks.clone());
    reach.endpoints = endpoints;
    reach.hidden = match reach.endpoints {
        Some(_) => "not looked at: no secret is sent where the gate would not send it".to_owned(),
        None => "not looked at: the gate does not take this discovery document".to_owned(),
    };
    reach
}

/// Judges the answer for the keys.
pub(super) fn keys(url: &Url, answer: &Answer, table: &str) -> Finding {
    match answer {
        Err(silence) => Finding::fail(KEYS, silence.found()).fix(silence.fix(table)),
        Ok(heard) if heard.status != OK => Finding::fail(KEYS, format!("{url} answered {}", heard.status))
            .fix("try again in a minute; no token can be verified without its keys"),
        Ok(heard) => match KeySet::parse(&heard.body) {
            Some(set) if set.len() == 1 => Finding::ok(KEYS, "1 key for RS256"),
            Some(set) => Finding::ok(KEYS, format!("{} keys for RS256", set.len())),
            None => Finding::fail(KEYS, format!("{url} has no key for RS256 that could be used"))
                .fix("let the provider sign with RS256 and a key of 2048 bits or more"),
        },
    }
}

/// How the configuration's table is called.
pub(super) fn table(provider: &Provider) -> &'static str {
    match provider.kind {
        ProviderKind::Cognito { .. } => "cognito",
        ProviderKind::Oidc => "oidc",
    }
}

/// What the endpoints' place is called.
pub(super) fn domain_word(provider: &Provider) -> &'static str {
    match provider.kind {
        ProviderKind::Cognito { .. } => "domain",
        ProviderKind::Oidc => "endpoints",
    }
}

fn document(provider: &Provider, answer: &Answer) -> Result<Value, Finding> {
    let url = discovery_url(provider);
    let heard = match answer {
        Ok(heard) => heard,
        Err(silence) => {
            let mut finding = Finding::fail(DISCOVERY, silence.found());
            if silence.kind == Why::Name {
                finding.fix.extend(misspelt(provider, &silence.host));
            }
            return Err(finding.fix(silence.fix(table(provider))));
        }
    };
    if heard.status != OK {
        let finding = Finding::fail(DISCOVERY, format!("{url} answered {}", heard.status));
        return Err(no_document(provider, heard.status, finding));
    }
    match serde_json::from_slice::<Value>(&heard.body) {
        Ok(document) if document.is_object() => Ok(document),
        _ => Err(Finding::fail(DISCOVERY, format!("{url} is no JSON object"))
            .fix("see what answers there: a proxy's or a login page in between is the usual cause")
            .fix(format!("curl -sS {}", shell(&url)))),
    }
}

fn no_document(provider: &Provider, status: u16, finding: Finding) -> Finding {
    let retry = "the provider is unwell or overrun, the configuration may be right: try again in a minute";
    if status == TOO_MANY || status >= 500 {
        return finding.fix(retry);
    }
    let ProviderKind::Cognito { domain, .. } = &provider.kind else {
        return finding.fix(
            "[oidc] issuer is such that with /.well-known/openid-configuration behind it the document answers",
        );
    };
    let Some(aws) = Aws::of(provider) else { return finding };
    let mut finding = finding;
    if status == FORBIDDEN && provider.issuer.contains("://issuer-cognito-idp.") {
        return finding.fix(format!(
            "the pool has not opted in to this form of issuer: take `issuer` out of [cognito], so that user_pool_id = {:?} decides",
            aws.pool
        ));
    }
    finding.found.push_str(&format!(
        ": there is no pool {} in {}; the region is what stands before the first _ of its id",
        aws.pool, aws.region
    ));
    let named = domain.as_deref().and_then(region_of_domain).filter(|region| *region != aws.region);
    if let Some(region) = named {
        let rest = aws.pool.split_once('_').map_or("", |(_, rest)| rest);
        finding = finding
            .fix(format!(
                "the domain is of {region}, so this may be meant: user_pool_id = \"{region}_{rest}\""
            ))
            .fix(aws.list_pools(region));
    }
    finding
        .fix("[cognito] user_pool_id is the first word of one of these lines:")
        .fix(aws.list_pools(aws.region))
}

/// `<prefix>.auth.<region>.amazoncognito.com`.
fn region_of_domain(domain: &str) -> Option<&str> {
    let host = domain.split_once("://").map_or(domain, |(_, host)| host);
    let (_, rest) = host.split_once(".auth.").or_else(|| host.split_once(".auth-fips."))?;
    rest.strip_suffix(".amazoncognito.com")
}

/// A region that there is not, in a host that is made of it.
fn misspelt(provider: &Provider, host: &str) -> Option<String> {
    let aws = Aws::of(provider).filter(|aws| host.contains(aws.region) && !REGIONS.contains(&aws.region))?;
    let rest = aws.pool.split_once('_').map_or("", |(_, rest)| rest);
    let nearest = REGIONS.iter().min_by_key(|known| distance(known, aws.region));
    let near = nearest.filter(|known| distance(known, aws.region) <= MOST_SLIPS);
    let known = format!("{} stands before the first _ and is no known region", aws.region);
    Some(match near {
        Some(near) => format!("{known}; probably meant: user_pool_id = \"{near}_{rest}\""),
        None => format!("{known}: copy the id from the pool's overview in the console"),
    })
}

fn other_issuer(provider: &Provider, named: &str) -> Finding {
    let (named, ours) = (quoted(named), &provider.issuer);
    let finding =
        Finding::fail(ISSUER, format!("the document is of {named:?}, the configuration says {ours:?}"));
    match provider.kind {
        ProviderKind::Cognito { .. } if named.contains("://issuer-cognito-idp.") => finding
            .fix("the pool's issuer has the newer form (IssuerConfiguration UPDATED); write both, for tokens of before:")
            .fix(format!("[cognito] issuer = {named:?}"))
            .fix(format!("[cognito] additional_issuers = [{ours:?}]")),
        ProviderKind::Cognito { .. } => finding.fix(format!("[cognito] issuer = {named:?}, if that is the pool you mean")),
        ProviderKind::Oidc => finding.fix(format!("[oidc] issuer = {named:?}, if that is the provider you mean")),
    }
}

/// Absent, empty, or an address whose domain was left out.
fn names_no_host(address: &str) -> bool {
    address.is_empty() || address.starts_with("https:///")
}

fn no_domain(provider: &Provider) -> Finding {
    let Some(aws) = Aws::of(provider) else {
        return Finding::fail(ENDPOINTS, "the document names no authorization or no token endpoint")
            .fix("enable the authorization code flow at the provider");
    };
    Finding::fail(DOMAIN, "the pool has no domain, so there is no page to sign in at and no token endpoint")
        .fix(format!(
            "Cognito console > User pools > {} > Branding > Domain > Create Cognito domain, or:",
            aws.pool
        ))
        .fix(aws.create_domain())
}

fn bad_endpoint(provider: &Provider, fault: &DiscoveryFault) -> Finding {
    let what = domain_word(provider);
    match (&provider.kind, fault) {
        (
            ProviderKind::Cognito { domain: Some(ours), .. },
            DiscoveryFault::Elsewhere { name, url, wanted },
        ) if *name != "jwks_uri" && wanted == ours => {
            let theirs = Url::parse(url).map(|url| url.origin().ascii_serialization()).unwrap_or_default();
            Finding::fail(what, format!("the pool's domain is {theirs}, the configuration says {ours}"))
                .fix("where there are both, a pool names its custom domain alone; write that, or leave the key out:")
                .fix(format!("[cognito] domain = {theirs:?}"))
        }
        (_, fault) => Finding::fail(what, quoted(&fault.to_string()))
            .fix("the gate does not take such a document: have the provider mend it"),
    }
}

/// The endpoints are named, and nobody is there.
pub(super) fn silent_domain(provider: &Provider, silence: &Silence) -> Finding {
    let finding = Finding::fail(domain_word(provider), silence.found());
    let finding = match (Aws::of(provider), silence.kind) {
        (Some(aws), Why::Name | Why::Tls) => finding
            .fix("a new domain takes up to an hour; a custom one needs an alias in DNS to what this prints:")
            .fix(aws.describe_domain(&silence.host)),
        _ => finding,
    };
    finding.fix(silence.fix(table(provider)))
}

fn addresses(document: &Value) -> Vec<(&'static str, String)> {
    ADDRESSES
        .iter()
        .filter_map(|(word, member)| Some((*word, quoted(document[*member].as_str()?))))
        .filter(|(_, address)| !address.is_empty())
        .collect()
}

/// Only at the issuer itself.
fn jwks_alone(jwks: &str, issuer: &str) -> Option<Url> {
    let (jwks, issuer) = (Url::parse(jwks).ok()?, Url::parse(issuer).ok()?);
    (jwks.origin() == issuer.origin()).then_some(jwks)
}

const ADDRESSES: [(&str, &str); 6] = [
    (ISSUER, "issuer"),
    ("authorization", "authorization_endpoint"),
    ("token", "token_endpoint"),
    ("jwks", "jwks_uri"),
    ("sign-out", "end_session_endpoint"),
    ("revocation", "revocation_endpoint"),
];
const DISCOVERY: &str = "discovery";
const ISSUER: &str = "issuer";
const DOMAIN: &str = "domain";
const ENDPOINTS: &str = "endpoints";
/// Also where they are not asked for.
pub(super) const KEYS: &str = "keys";
const OK: u16 = 200;
const FORBIDDEN: u16 = 403;
const TOO_MANY: u16 = 429;
const MOST_SLIPS: usize = 3;
/// For "probably meant" alone: a region that is missing here works all the same.
const REGIONS: [&str; 37] = [
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "cn-north-1",
    "cn-northwest-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eusc-de-east-1",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-gov-west-1",
    "us-west-1",
    "us-west-2",
];

#[cfg(test)]
mod tests;
