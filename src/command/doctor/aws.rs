//! What an AWS account could see or mend, as commands to paste and places in the console. ★
//!
//! Threat: a value of the configuration that a shell would run. Each is quoted unless it needs none.

use crate::config::settings::{Provider, ProviderKind};

/// One app client of one pool, in words of the AWS CLI.
#[derive(Debug, Clone, Copy)]
pub(super) struct Aws<'a> {
    /// What stands before the first `_` of the pool's id.
    pub(super) region: &'a str,
    /// The pool's id.
    pub(super) pool: &'a str,
    client: &'a str,
}

// === impl Aws ===

impl<'a> Aws<'a> {
    /// `None` where the provider is no Cognito pool.
    pub(super) fn of(provider: &'a Provider) -> Option<Self> {
        let ProviderKind::Cognito { pool_id, .. } = &provider.kind else { return None };
        let region = pool_id.split('_').next().unwrap_or_default();
        Some(Self { region, pool: pool_id, client: &provider.client_id })
    }

    /// A place below the app client in the console.
    pub(super) fn console(&self, place: &str) -> String {
        format!("Cognito console > User pools > {} > App clients > {} > {place}", self.pool, self.client)
    }

    /// All pools of a region.
    pub(super) fn list_pools(&self, region: &str) -> String {
        let region = shell(region);
        format!(
            "aws cognito-idp list-user-pools --region {region} --max-results 60 \
             --query 'UserPools[].[Id,Name]' --output text"
        )
    }

    /// All clients of the pool.
    pub(super) fn list_clients(&self) -> String {
        format!(
            "aws cognito-idp list-user-pool-clients {} --max-results 60 \
             --query 'UserPoolClients[].[ClientId,ClientName]' --output text",
            self.at_pool()
        )
    }

    /// All other providers of the pool.
    pub(super) fn list_providers(&self) -> String {
        format!(
            "aws cognito-idp list-identity-providers {} --query 'Providers[].ProviderName' --output text",
            self.at_pool()
        )
    }

    /// A member of the app client.
    pub(super) fn describe_client(&self, member: &str) -> String {
        format!(
            "aws cognito-idp describe-user-pool-client {} --query {}",
            self.at_client(),
            shell(&format!("UserPoolClient.{member}"))
        )
    }

    /// A member of the pool.
    pub(super) fn describe_pool(&self, member: &str) -> String {
        let query = shell(&format!("UserPool.{member}"));
        format!("aws cognito-idp describe-user-pool {} --query {query}", self.at_pool())
    }

    /// Which attributes each client of the pool may write.
    pub(super) fn write_attributes(&self) -> String {
        let pool = self.at_pool();
        format!(
            "for id in $(aws cognito-idp list-user-pool-clients {pool} --max-results 60 \
             --query 'UserPoolClients[].ClientId' --output text); do echo \"$id\"; \
             aws cognito-idp describe-user-pool-client {pool} --client-id \"$id\" \
             --query UserPoolClient.WriteAttributes; done"
        )
    }

    /// Adds to lists of the app client. Everything else is sent back as it is: what an update leaves out
    /// Cognito sets to its default.
    pub(super) fn add_to_client(&self, additions: &[(&str, &[&str])]) -> String {
        let mut filter = String::new();
        for (member, values) in additions {
            let values = serde_json::json!(values);
            filter.push_str(&format!(".{member} += {values} | "));
        }
        filter.push_str("del(.ClientSecret, .CreationDate, .LastModifiedDate)");
        self.update_client(&filter)
    }

    /// Enables the authorization code grant.
    pub(super) fn allow_code_grant(&self) -> String {
        self.update_client(
            ".AllowedOAuthFlows += [\"code\"] | .AllowedOAuthFlowsUserPoolClient = true | \
             del(.ClientSecret, .CreationDate, .LastModifiedDate)",
        )
    }

    /// Gives the pool a domain: the one that the console would choose.
    pub(super) fn create_domain(&self) -> String {
        let prefix = self.pool.to_ascii_lowercase().replace('_', "");
        format!("aws cognito-idp create-user-pool-domain {} --domain {}", self.at_pool(), shell(&prefix))
    }

    /// Where a custom domain has to lead.
    pub(super) fn describe_domain(&self, domain: &str) -> String {
        format!(
            "aws cognito-idp describe-user-pool-domain --region {} --domain {} \
             --query DomainDescription.CloudFrontDistribution --output text",
            shell(self.region),
            shell(domain)
        )
    }

    fn update_client(&self, filter: &str) -> String {
        format!(
            "aws cognito-idp update-user-pool-client --region {} --cli-input-json \"$(aws cognito-idp \
             describe-user-pool-client {} --query UserPoolClient --output json | jq {})\"",
            shell(self.region),
            self.at_client(),
            shell(filter)
        )
    }

    fn at_pool(&self) -> String {
        format!("--region {} --user-pool-id {}", shell(self.region), shell(self.pool))
    }

    fn at_client(&self) -> String {
        format!("{} --client-id {}", self.at_pool(), shell(self.client))
    }
}

/// One word of a POSIX shell.
pub(super) fn shell(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:,@+".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AWS: Aws<'_> =
        Aws { region: "eu-central-1", pool: "eu-central-1_AbCdEf123", client: "1h57EXAMPLE" };

    #[test]
    fn an_address_is_added_and_nothing_else_of_the_client_is_lost() {
        assert_eq!(
            AWS.add_to_client(&[("CallbackURLs", &["https://app.test/oauth2/callback"])]),
            "aws cognito-idp update-user-pool-client --region eu-central-1 --cli-input-json \"$(aws cognito-idp \
             describe-user-pool-client --region eu-central-1 --user-pool-id eu-central-1_AbCdEf123 --client-id \
             1h57EXAMPLE --query UserPoolClient --output json | jq '.CallbackURLs += \
             [\"https://app.test/oauth2/callback\"] | del(.ClientSecret, .CreationDate, .LastModifiedDate)')\""
        );
    }

    #[test]
    fn the_domain_is_the_one_that_the_console_would_choose() {
        let command = AWS.create_domain();
        assert!(command.ends_with("--domain eu-central-1abcdef123"), "{command}");
    }

    #[test]
    fn nothing_of_the_configuration_is_run_by_a_shell() {
        assert_eq!(shell("$(reboot)'x"), r"'$(reboot)'\''x'");
        assert_eq!(shell(""), "''");
        let aws = Aws { client: "a;b", ..AWS };
        assert!(aws.describe_client("ClientSecret").contains("--client-id 'a;b' "));
    }
}
