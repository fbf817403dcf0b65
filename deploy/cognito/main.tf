# A Cognito user pool for rolegate, with its client, domain, groups, and the trigger that adds roles.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.20, < 7.0"
    }
    archive = {
      source  = "hashicorp/archive"
      version = ">= 2.4, < 3.0"
    }
  }
}

data "aws_region" "here" {}
data "aws_caller_identity" "own" {}

locals {
  callback_url = "${var.public_url}/oauth2/callback"
  sign_out_url = "${var.public_url}/oauth2/signout"
}

resource "aws_cognito_user_pool" "pool" {
  name = var.name
  # V2_0 of the trigger and managed login are not in Lite.
  user_pool_tier      = "ESSENTIALS"
  deletion_protection = "ACTIVE"

  # Else Ada and ada are two people, and can be taken for each other.
  username_configuration {
    case_sensitive = false
  }

  admin_create_user_config {
    allow_admin_create_user_only = !var.self_sign_up
  }

  mfa_configuration = "OPTIONAL"
  software_token_mfa_configuration {
    enabled = true
  }

  auto_verified_attributes = ["email"]
  # A new address counts once it was verified, and the old one until then.
  user_attribute_update_settings {
    attributes_require_verification_before_update = ["email"]
  }

  account_recovery_setting {
    recovery_mechanism {
      name     = "verified_email"
      priority = 1
    }
  }

  password_policy {
    minimum_length                   = 12
    require_lowercase                = false
    require_uppercase                = false
    require_numbers                  = false
    require_symbols                  = false
    temporary_password_validity_days = 7
  }

  schema {
    name                = "email"
    attribute_data_type = "String"
    required            = true
    mutable             = true
    string_attribute_constraints {
      min_length = "0"
      max_length = "2048"
    }
  }

  # Grants roles (see the trigger), so it is in no client's write_attributes. An attribute can never be taken out again.
  schema {
    name                = "roles"
    attribute_data_type = "String"
    mutable             = true
    string_attribute_constraints {
      min_length = "0"
      max_length = "2048"
    }
  }

  lambda_config {
    pre_token_generation_config {
      lambda_arn     = aws_lambda_function.trigger.arn
      lambda_version = "V2_0"
    }
  }
}

resource "aws_cognito_user_pool_client" "client" {
  user_pool_id                         = aws_cognito_user_pool.pool.id
  name                                 = "rolegate"
  generate_secret                      = true
  supported_identity_providers         = ["COGNITO"]
  allowed_oauth_flows_user_pool_client = true
  # The gate sends a PKCE challenge with every login; Cognito knows no switch that demands one.
  allowed_oauth_flows = ["code"]
  # Without aws.cognito.signin.user.admin the client's tokens change nothing about their person.
  allowed_oauth_scopes = ["openid", "email", "profile"]
  callback_urls        = [local.callback_url]
  logout_urls          = [local.sign_out_url]
  # What people may change of themselves. It is said here, and custom:roles is not: no default decides who has a role.
  write_attributes = ["email", "name", "given_name", "family_name", "locale", "zoneinfo"]
  # No ALLOW_REFRESH_TOKEN_AUTH: with rotation Cognito refuses it.
  explicit_auth_flows           = ["ALLOW_USER_SRP_AUTH"]
  enable_token_revocation       = true
  prevent_user_existence_errors = "ENABLED"

  # Answers that are lost or late: the one that went before still counts for a minute.
  refresh_token_rotation {
    feature                    = "ENABLED"
    retry_grace_period_seconds = 60
  }

  token_validity_units {
    access_token  = "minutes"
    id_token      = "minutes"
    refresh_token = "days"
  }
  access_token_validity = 60
  id_token_validity     = 60
  # Not less than session.max_age of the gate, which is 12 hours unless it is told otherwise.
  refresh_token_validity = 1
}

resource "aws_cognito_user_pool_domain" "login" {
  user_pool_id          = aws_cognito_user_pool.pool.id
  domain                = var.domain_prefix
  managed_login_version = 2
}

# Without a style of its own, managed login shows an error to this client's people.
resource "aws_cognito_managed_login_branding" "style" {
  user_pool_id                = aws_cognito_user_pool.pool.id
  client_id                   = aws_cognito_user_pool_client.client.id
  use_cognito_provided_values = true
}

resource "aws_cognito_user_group" "viewer" {
  user_pool_id = aws_cognito_user_pool.pool.id
  name         = "viewer"
  description  = "May come in."
  precedence   = 20
}

resource "aws_cognito_user_group" "admin" {
  user_pool_id = aws_cognito_user_pool.pool.id
  name         = "admin"
  description  = "May do what rules keep for administrators."
  precedence   = 10
}

data "archive_file" "trigger" {
  type        = "zip"
  output_path = "${path.root}/.terraform/${var.name}-roles.zip"
  source {
    filename = "index.js"
    content  = file("${path.module}/roles.js")
  }
}

resource "aws_lambda_function" "trigger" {
  function_name    = "${var.name}-roles"
  description      = "Adds the roles of custom:roles to the groups in both tokens."
  runtime          = "nodejs22.x"
  architectures    = ["arm64"]
  handler          = "index.handler"
  memory_size      = 128
  role             = aws_iam_role.trigger.arn
  filename         = data.archive_file.trigger.output_path
  source_code_hash = data.archive_file.trigger.output_base64sha256
  # Cognito waits for five seconds at the most.
  timeout = 4

  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.trigger.name
  }

  environment {
    variables = {
      ROLES = "viewer,admin"
    }
  }
}

resource "aws_cloudwatch_log_group" "trigger" {
  name              = "/aws/lambda/${var.name}-roles"
  retention_in_days = 30
}

resource "aws_iam_role" "trigger" {
  name_prefix = "${var.name}-roles-"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "trigger" {
  name = "log"
  role = aws_iam_role.trigger.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = "${aws_cloudwatch_log_group.trigger.arn}:*"
    }]
  })
}

# This pool alone may call it.
resource "aws_lambda_permission" "trigger" {
  function_name  = aws_lambda_function.trigger.function_name
  action         = "lambda:InvokeFunction"
  principal      = "cognito-idp.amazonaws.com"
  source_account = data.aws_caller_identity.own.account_id
  source_arn     = aws_cognito_user_pool.pool.arn
}
