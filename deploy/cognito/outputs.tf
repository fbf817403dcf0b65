output "user_pool_id" {
  description = "cognito.user_pool_id"
  value       = aws_cognito_user_pool.pool.id
}

output "client_id" {
  description = "cognito.client_id"
  value       = aws_cognito_user_pool_client.client.id
}

output "callback_url" {
  description = "Registered as callback"
  value       = local.callback_url
}

output "sign_out_url" {
  description = "Registered as sign-out address"
  value       = local.sign_out_url
}

output "login_url" {
  description = "Where people sign in"
  value       = "https://${aws_cognito_user_pool_domain.login.domain}.auth.${data.aws_region.here.region}.amazoncognito.com"
}

output "client_secret_command" {
  description = "Prints the client secret, which is in no output"
  value       = "aws cognito-idp describe-user-pool-client --region ${data.aws_region.here.region} --user-pool-id ${aws_cognito_user_pool.pool.id} --client-id ${aws_cognito_user_pool_client.client.id} --query UserPoolClient.ClientSecret --output text"
}

output "rolegate_toml" {
  description = "The configuration of the gate"
  value       = <<-TOML
    public_url     = "${var.public_url}"
    upstream       = "${var.upstream}"
    required_roles = ["${aws_cognito_user_group.viewer.name}"]

    [cognito]
    user_pool_id       = "${aws_cognito_user_pool.pool.id}"
    client_id          = "${aws_cognito_user_pool_client.client.id}"
    client_secret_file = "/run/secrets/cognito-client-secret"

    [session]
    keys_file = "/run/secrets/session-keys"
  TOML
}
