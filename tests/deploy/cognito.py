"""What deploy/cognito makes, as CloudFormation has it and as Terraform has it: one JSON object with both, in the same
words, so that they can be compared. What only AWS knows (ids) has the values that are given here."""

import json
import pathlib
import re
import sys
import textwrap

import hcl2
from cfnlint.decode import decode
from hcl2.utils import SerializationOptions

GIVEN = {
    "url": "https://app.example.com",
    "upstream": "http://127.0.0.1:8080",
    "prefix": "example",
    "name": "rolegate",
    "region": "eu-central-1",
    "account": "111122223333",
    "pool": "eu-central-1_AbCdEf123",
    "client": "1h57kf5cpq17m0eml12example",
}


class Template:
    """CloudFormation's."""

    def __init__(self, folder):
        self.of, wrong = decode(str(folder / "template.yaml"))
        if wrong:
            sys.exit(f"{wrong}")
        self.names = {
            "PublicUrl": GIVEN["url"],
            "Upstream": GIVEN["upstream"],
            "DomainPrefix": GIVEN["prefix"],
            "AWS::StackName": GIVEN["name"],
            "AWS::Region": GIVEN["region"],
            "AWS::AccountId": GIVEN["account"],
            "Pool": GIVEN["pool"],
            "Client": GIVEN["client"],
        }
        for name, resource in self.of["Resources"].items():
            if resource["Type"] == "AWS::Cognito::UserPoolGroup":
                self.names[name] = resource["Properties"]["GroupName"]

    def value(self, node):
        if isinstance(node, list):
            return [self.value(one) for one in node]
        if not isinstance(node, dict):
            return node
        if list(node) == ["Ref"]:
            return self.names.get(node["Ref"], node["Ref"])
        if list(node) == ["Fn::Sub"]:
            return re.sub(r"\$\{([^}]+)\}", lambda found: self.names[found[1]], node["Fn::Sub"])
        if list(node) == ["Fn::If"]:
            # As it is with every parameter's default.
            return node["Fn::If"][1]
        if list(node) == ["Fn::GetAtt"]:
            return ".".join(node["Fn::GetAtt"])
        return {key: self.value(one) for key, one in node.items()}

    def all(self, kind):
        found = self.of["Resources"].values()
        return [self.value(one["Properties"]) for one in found if one["Type"] == kind]

    def facts(self):
        (pool,), (client,) = self.all("AWS::Cognito::UserPool"), self.all("AWS::Cognito::UserPoolClient")
        (domain,), (function,) = self.all("AWS::Cognito::UserPoolDomain"), self.all("AWS::Lambda::Function")
        (permission,), (log,) = self.all("AWS::Lambda::Permission"), self.all("AWS::Logs::LogGroup")
        (style,) = self.all("AWS::Cognito::ManagedLoginBranding")
        groups = self.all("AWS::Cognito::UserPoolGroup")
        outputs = {key: self.value(one["Value"]) for key, one in self.of["Outputs"].items()}
        policy = pool["Policies"]["PasswordPolicy"]
        rotation = client["RefreshTokenRotation"]
        return {
            "tier": pool["UserPoolTier"],
            "protected": pool["DeletionProtection"],
            "case_sensitive": pool["UsernameConfiguration"]["CaseSensitive"],
            "only_administrators_make_accounts": pool["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"],
            "mfa": pool["MfaConfiguration"],
            "totp": pool["EnabledMfas"] == ["SOFTWARE_TOKEN_MFA"],
            "verified": pool["AutoVerifiedAttributes"],
            "verified_before": pool["UserAttributeUpdateSettings"]["AttributesRequireVerificationBeforeUpdate"],
            "recovery": [one["Name"] for one in pool["AccountRecoverySetting"]["RecoveryMechanisms"]],
            "password": [policy["MinimumLength"], policy["RequireSymbols"], policy["TemporaryPasswordValidityDays"]],
            "attributes": {one["Name"]: [one.get("Required", False), one["Mutable"]] for one in pool["Schema"]},
            "trigger_version": pool["LambdaConfig"]["PreTokenGenerationConfig"]["LambdaVersion"],
            "secret": client["GenerateSecret"],
            "providers": client["SupportedIdentityProviders"],
            "flows": client["AllowedOAuthFlows"],
            "scopes": client["AllowedOAuthScopes"],
            "callbacks": client["CallbackURLs"],
            "sign_outs": client["LogoutURLs"],
            "writable": client["WriteAttributes"],
            "auth_flows": client["ExplicitAuthFlows"],
            "revocation": client["EnableTokenRevocation"],
            "existence": client["PreventUserExistenceErrors"],
            "rotation": [rotation["Feature"], rotation["RetryGracePeriodSeconds"]],
            "lifetimes": [client[f"{which}TokenValidity"] for which in ("Access", "Id", "Refresh")],
            "units": [client["TokenValidityUnits"][f"{which}Token"] for which in ("Access", "Id", "Refresh")],
            "domain": [domain["Domain"], domain["ManagedLoginVersion"], style["UseCognitoProvidedValues"]],
            "groups": {one["GroupName"]: one["Precedence"] for one in groups},
            "function": [function["FunctionName"], function["Runtime"], function["Handler"], function["Timeout"]],
            "roles": function["Environment"]["Variables"]["ROLES"],
            "code": function["Code"]["ZipFile"],
            "caller": [permission["Action"], permission["Principal"], permission["SourceAccount"]],
            "log": [log["LogGroupName"], log["RetentionInDays"]],
            "outputs": {re.sub(r"(?<!^)(?=[A-Z])", "_", key).lower(): one for key, one in outputs.items()},
        }


class Terraform:
    """Terraform's."""

    def __init__(self, folder):
        self.folder = folder
        how = SerializationOptions(with_comments=False, explicit_blocks=False, strip_string_quotes=True)
        self.of = {}
        for name in ("main", "variables", "outputs"):
            with open(folder / f"{name}.tf", encoding="utf-8") as file:
                for key, blocks in hcl2.load(file, serialization_options=how).items():
                    self.of.setdefault(key, []).extend(blocks)
        self.names = {
            "var.public_url": GIVEN["url"],
            "var.upstream": GIVEN["upstream"],
            "var.domain_prefix": GIVEN["prefix"],
            "var.name": GIVEN["name"],
            "!var.self_sign_up": True,
            "data.aws_region.here.region": GIVEN["region"],
            "data.aws_caller_identity.own.account_id": GIVEN["account"],
            "aws_cognito_user_pool.pool.id": GIVEN["pool"],
            "aws_cognito_user_pool_client.client.id": GIVEN["client"],
            "aws_cognito_user_pool_domain.login.domain": GIVEN["prefix"],
        }
        for key, one in self.of["locals"][0].items():
            self.names[f"local.{key}"] = self.value(one)
        for block in self.of["resource"]:
            for name, one in block.get("aws_cognito_user_group", {}).items():
                self.names[f"aws_cognito_user_group.{name}.name"] = one["name"]

    def value(self, node):
        if isinstance(node, list):
            return [self.value(one) for one in node]
        if isinstance(node, dict):
            return {key: self.value(one) for key, one in node.items()}
        if not isinstance(node, str):
            return node
        heredoc = re.fullmatch(r"<<-(\w+)\n(.*\n) *\1", node, re.DOTALL)
        if heredoc:
            node = textwrap.dedent(heredoc[2])
        file = re.fullmatch(r'\$\{file\("\$\{path\.module\}/([^"/]+)"\)\}', node)
        if file:
            return (self.folder / file[1]).read_text(encoding="utf-8")
        whole = re.fullmatch(r"\$\{([^{}]+)\}", node)
        if whole:
            return self.names.get(whole[1], whole[1])
        return re.sub(r"\$\{([^{}]+)\}", lambda found: self.names.get(found[1], found[1]), node)

    def all(self, kind, under="resource"):
        found = [one for block in self.of[under] for one in block.get(kind, {}).values()]
        return [self.value(one) for one in found]

    def facts(self):
        (pool,), (client,) = self.all("aws_cognito_user_pool"), self.all("aws_cognito_user_pool_client")
        (domain,), (function,) = self.all("aws_cognito_user_pool_domain"), self.all("aws_lambda_function")
        (permission,), (log,) = self.all("aws_lambda_permission"), self.all("aws_cloudwatch_log_group")
        (style,), (archive,) = self.all("aws_cognito_managed_login_branding"), self.all("archive_file", "data")
        groups = self.all("aws_cognito_user_group")
        outputs = {key: self.value(one["value"]) for block in self.of["output"] for key, one in block.items()}
        (policy,), (rotation,) = pool["password_policy"], client["refresh_token_rotation"]
        (units,), (config,) = client["token_validity_units"], pool["lambda_config"]
        return {
            "tier": pool["user_pool_tier"],
            "protected": pool["deletion_protection"],
            "case_sensitive": pool["username_configuration"][0]["case_sensitive"],
            "only_administrators_make_accounts": pool["admin_create_user_config"][0]["allow_admin_create_user_only"],
            "mfa": pool["mfa_configuration"],
            "totp": pool["software_token_mfa_configuration"][0]["enabled"],
            "verified": pool["auto_verified_attributes"],
            "verified_before": pool["user_attribute_update_settings"][0][
                "attributes_require_verification_before_update"
            ],
            "recovery": [one["name"] for one in pool["account_recovery_setting"][0]["recovery_mechanism"]],
            "password": [
                policy["minimum_length"],
                policy["require_symbols"],
                policy["temporary_password_validity_days"],
            ],
            "attributes": {one["name"]: [one.get("required", False), one["mutable"]] for one in pool["schema"]},
            "trigger_version": config["pre_token_generation_config"][0]["lambda_version"],
            "secret": client["generate_secret"],
            "providers": client["supported_identity_providers"],
            "flows": client["allowed_oauth_flows"],
            "scopes": client["allowed_oauth_scopes"],
            "callbacks": client["callback_urls"],
            "sign_outs": client["logout_urls"],
            "writable": client["write_attributes"],
            "auth_flows": client["explicit_auth_flows"],
            "revocation": client["enable_token_revocation"],
            "existence": client["prevent_user_existence_errors"],
            "rotation": [rotation["feature"], rotation["retry_grace_period_seconds"]],
            "lifetimes": [client[f"{which}_token_validity"] for which in ("access", "id", "refresh")],
            "units": [units[f"{which}_token"] for which in ("access", "id", "refresh")],
            "domain": [domain["domain"], domain["managed_login_version"], style["use_cognito_provided_values"]],
            "groups": {one["name"]: one["precedence"] for one in groups},
            "function": [function["function_name"], function["runtime"], function["handler"], function["timeout"]],
            "roles": function["environment"][0]["variables"]["ROLES"],
            "code": archive["source"][0]["content"],
            "caller": [permission["action"], permission["principal"], permission["source_account"]],
            "log": [log["name"], log["retention_in_days"]],
            "outputs": outputs,
        }


place = pathlib.Path(sys.argv[1])
json.dump({"cloudformation": Template(place).facts(), "terraform": Terraform(place).facts()}, sys.stdout, indent=1)
