"""AWS's own SDK against the dev user pool. `boto.py ENDPOINT TEST` runs one test and prints `passed TEST`."""

import base64
import hashlib
import hmac
import json
import sys

import boto3
from botocore import UNSIGNED
from botocore.config import Config

POOL = "eu-central-1_DevPool1"
CLIENT = "confidential"
SECRET = "a-secret-of-the-tests-alone"
OTHER_SECRET = "the-secret-that-comes-after-it"


def connect(endpoint, **more):
    return boto3.client(
        "cognito-idp",
        endpoint_url=endpoint,
        region_name="eu-central-1",
        aws_access_key_id="any",
        aws_secret_access_key="credentials",
        config=Config(retries={"max_attempts": 0}, connect_timeout=10, read_timeout=30, **more),
    )


def secret_hash(name, secret=SECRET):
    digest = hmac.new(secret.encode(), (name + CLIENT).encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def claims(token):
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def as_admin(idp, name, password):
    return idp.admin_initiate_auth(
        UserPoolId=POOL,
        ClientId=CLIENT,
        AuthFlow="ADMIN_USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": name, "PASSWORD": password, "SECRET_HASH": secret_hash(name)},
    )


def raises(kind, message, call, *arguments, **named):
    try:
        call(*arguments, **named)
    except kind as error:
        assert error.response["Error"]["Message"] == message, error
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 400, error
        return
    raise AssertionError(f"{kind.__name__} was not raised")


def admin_initiate_auth_and_refresh_with_a_secret_hash(endpoint):
    idp = connect(endpoint)
    tokens = as_admin(idp, "viewer", "viewer")["AuthenticationResult"]
    access = claims(tokens["AccessToken"])
    assert access["scope"] == "aws.cognito.signin.user.admin", access
    assert access["client_id"] == CLIENT and access["token_use"] == "access", access
    assert claims(tokens["IdToken"])["cognito:groups"] == ["viewer"]

    refreshed = idp.initiate_auth(
        ClientId=CLIENT,
        AuthFlow="REFRESH_TOKEN_AUTH",
        AuthParameters={"REFRESH_TOKEN": tokens["RefreshToken"], "SECRET_HASH": secret_hash("viewer")},
    )["AuthenticationResult"]
    assert "RefreshToken" not in refreshed
    assert claims(refreshed["AccessToken"])["origin_jti"] == access["origin_jti"]
    again = idp.get_tokens_from_refresh_token(
        ClientId=CLIENT, ClientSecret=SECRET, RefreshToken=tokens["RefreshToken"]
    )["AuthenticationResult"]
    assert claims(again["IdToken"])["email"] == "viewer@example.com"


def initiate_auth_without_credentials(endpoint):
    idp = connect(endpoint, signature_version=UNSIGNED)
    given = {"USERNAME": "viewer", "PASSWORD": "viewer", "SECRET_HASH": secret_hash("viewer", OTHER_SECRET)}
    result = idp.initiate_auth(ClientId=CLIENT, AuthFlow="USER_PASSWORD_AUTH", AuthParameters=given)
    assert result["AuthenticationResult"]["TokenType"] == "Bearer"
    assert result["ResponseMetadata"]["HTTPHeaders"]["x-amzn-requestid"]


def errors_are_the_exceptions_of_the_sdk(endpoint):
    idp = connect(endpoint)
    errors = idp.exceptions
    raises(errors.NotAuthorizedException, "Incorrect username or password.", as_admin, idp, "viewer", "wrong")
    given = {"USERNAME": "viewer", "PASSWORD": "viewer", "SECRET_HASH": "bm90IGl0"}
    raises(
        errors.NotAuthorizedException,
        f"SecretHash does not match for client: {CLIENT}",
        idp.initiate_auth,
        ClientId=CLIENT,
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters=given,
    )
    raises(
        errors.UserNotFoundException,
        "User does not exist.",
        idp.admin_get_user,
        UserPoolId=POOL,
        Username="nobody",
    )
    raises(
        errors.ResourceNotFoundException,
        "User pool eu-central-1_Other does not exist.",
        idp.list_users,
        UserPoolId="eu-central-1_Other",
    )
    raises(
        errors.InvalidPasswordException,
        "Password did not conform with policy: Password not long enough",
        idp.admin_set_user_password,
        UserPoolId=POOL,
        Username="viewer",
        Password="short",
    )
    raises(
        idp.exceptions.ClientError,
        "This development pool has no such operation.",
        idp.list_user_pools,
        MaxResults=1,
    )


def a_created_user_sets_a_password_of_their_own(endpoint):
    idp = connect(endpoint)
    user = idp.admin_create_user(
        UserPoolId=POOL,
        Username="created",
        TemporaryPassword="Temporary-1",
        UserAttributes=[{"Name": "email", "Value": "created@example.com"}],
        MessageAction="SUPPRESS",
    )["User"]
    assert user["UserStatus"] == "FORCE_CHANGE_PASSWORD" and user["UserCreateDate"].year >= 2025, user
    raises(
        idp.exceptions.UsernameExistsException,
        "User account already exists",
        idp.admin_create_user,
        UserPoolId=POOL,
        Username="created",
    )
    asked = as_admin(idp, "created", "Temporary-1")
    assert asked["ChallengeName"] == "NEW_PASSWORD_REQUIRED", asked
    tokens = idp.admin_respond_to_auth_challenge(
        UserPoolId=POOL,
        ClientId=CLIENT,
        ChallengeName=asked["ChallengeName"],
        Session=asked["Session"],
        ChallengeResponses={
            "USERNAME": asked["ChallengeParameters"]["USER_ID_FOR_SRP"],
            "NEW_PASSWORD": "my own password",
            "SECRET_HASH": secret_hash("created"),
        },
    )["AuthenticationResult"]
    assert claims(tokens["IdToken"])["cognito:username"] == "created"
    shown = idp.admin_get_user(UserPoolId=POOL, Username="created")
    assert shown["UserStatus"] == "CONFIRMED", shown
    as_admin(idp, "created", "my own password")


def groups_change_and_tokens_follow(endpoint):
    idp = connect(endpoint)
    tokens = as_admin(idp, "viewer", "viewer")["AuthenticationResult"]
    group = idp.create_group(UserPoolId=POOL, GroupName="auditor", Precedence=3)["Group"]
    assert group["GroupName"] == "auditor" and group["Precedence"] == 3, group
    idp.admin_add_user_to_group(UserPoolId=POOL, Username="viewer", GroupName="auditor")

    def groups():
        given = {"REFRESH_TOKEN": tokens["RefreshToken"], "SECRET_HASH": secret_hash("viewer")}
        answer = idp.admin_initiate_auth(
            UserPoolId=POOL, ClientId=CLIENT, AuthFlow="REFRESH_TOKEN_AUTH", AuthParameters=given
        )
        return claims(answer["AuthenticationResult"]["AccessToken"])["cognito:groups"]

    assert groups() == ["viewer", "auditor"], groups()
    listed = idp.admin_list_groups_for_user(UserPoolId=POOL, Username="viewer")["Groups"]
    assert {group["GroupName"] for group in listed} == {"viewer", "auditor"}, listed
    idp.admin_remove_user_from_group(UserPoolId=POOL, Username="viewer", GroupName="auditor")
    assert groups() == ["viewer"], groups()
    pages = idp.get_paginator("list_groups").paginate(UserPoolId=POOL, PaginationConfig={"PageSize": 1})
    assert {group["GroupName"] for page in pages for group in page["Groups"]} >= {"admin", "auditor"}
    pages = idp.get_paginator("list_users").paginate(UserPoolId=POOL, PaginationConfig={"PageSize": 2})
    assert {user["Username"] for page in pages for user in page["Users"]} >= {"admin", "viewer", "careful"}


def global_sign_out_ends_every_session(endpoint):
    idp = connect(endpoint)
    one = as_admin(idp, "viewer", "viewer")["AuthenticationResult"]
    two = as_admin(idp, "viewer", "viewer")["AuthenticationResult"]
    user = idp.get_user(AccessToken=one["AccessToken"])
    assert {"Name": "email", "Value": "viewer@example.com"} in user["UserAttributes"], user
    idp.global_sign_out(AccessToken=one["AccessToken"])
    denied = idp.exceptions.NotAuthorizedException
    raises(denied, "Access Token has been revoked", idp.get_user, AccessToken=two["AccessToken"])
    raises(
        denied,
        "Refresh Token has been revoked",
        idp.get_tokens_from_refresh_token,
        ClientId=CLIENT,
        ClientSecret=SECRET,
        RefreshToken=two["RefreshToken"],
    )
    three = as_admin(idp, "viewer", "viewer")["AuthenticationResult"]
    idp.admin_user_global_sign_out(UserPoolId=POOL, Username="viewer")
    raises(denied, "Access Token has been revoked", idp.get_user, AccessToken=three["AccessToken"])
    four = as_admin(idp, "viewer", "viewer")["AuthenticationResult"]
    idp.revoke_token(ClientId=CLIENT, ClientSecret=SECRET, Token=four["RefreshToken"])
    raises(denied, "Access Token has been revoked", idp.get_user, AccessToken=four["AccessToken"])


def the_pool_describes_itself(endpoint):
    idp = connect(endpoint)
    pool = idp.describe_user_pool(UserPoolId=POOL)["UserPool"]
    assert pool["Arn"].startswith("arn:aws:cognito-idp:eu-central-1:"), pool
    client = idp.describe_user_pool_client(UserPoolId=POOL, ClientId=CLIENT)["UserPoolClient"]
    assert client["ClientSecret"] == SECRET and client["RefreshTokenRotation"]["Feature"] == "DISABLED", client


if __name__ == "__main__":
    endpoint, test = sys.argv[1:]
    globals()[test](endpoint)
    print("passed", test)
