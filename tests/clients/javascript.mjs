// JavaScript's clients of Cognito against the dev user pool. `node javascript.mjs ISSUER TEST` runs one test and prints
// `passed TEST`.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import {
  CognitoIdentityProviderClient,
  GetTokensFromRefreshTokenCommand,
  InitiateAuthCommand,
  NotAuthorizedException,
  RefreshTokenReuseException,
} from '@aws-sdk/client-cognito-identity-provider';
import cognito from 'amazon-cognito-identity-js';
import { JwtVerifier } from 'aws-jwt-verify';
import { validateCognitoJwtFields } from 'aws-jwt-verify/cognito-verifier';
import * as errors from 'aws-jwt-verify/error';
import { SimpleJwksCache } from 'aws-jwt-verify/jwk';
import * as oidc from 'openid-client';

const [issuer, test] = process.argv.slice(2);
const endpoint = new URL('/', issuer).href;
const CALLBACK = 'http://localhost:3000/callback';

/** What the tests run by. */
const tests = {
  async openid_client_completes_a_code_flow_with_pkce() {
    const config = await discover();
    // As at Cognito, the document does not say that PKCE is there, and it is.
    assert.equal(config.serverMetadata().supportsPKCE(), false);
    const verifier = oidc.randomPKCECodeVerifier();
    const [state, nonce] = [oidc.randomState(), oidc.randomNonce()];
    const start = oidc.buildAuthorizationUrl(config, {
      redirect_uri: CALLBACK,
      scope: 'openid email profile',
      code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state,
      nonce,
    });
    const callback = await signIn(start, 'admin', 'admin');
    const checks = {
      pkceCodeVerifier: verifier,
      expectedState: state,
      expectedNonce: nonce,
      idTokenExpected: true,
      maxAge: 60,
    };
    const tokens = await oidc.authorizationCodeGrant(config, callback, checks);
    const claims = tokens.claims();
    assert.deepEqual(claims['cognito:groups'], ['admin', 'editor', 'viewer']);
    assert.equal(claims.email_verified, true);
    assert.ok(claims.at_hash);

    const user = await oidc.fetchUserInfo(config, tokens.access_token, claims.sub);
    assert.equal(user.email_verified, 'true');
    assert.equal(user.username, 'admin');

    const refreshed = await oidc.refreshTokenGrant(config, tokens.refresh_token);
    assert.equal(refreshed.claims().sub, claims.sub);
    assert.equal(refreshed.refresh_token, undefined);
    await oidc.tokenRevocation(config, tokens.refresh_token);
    await assert.rejects(oidc.refreshTokenGrant(config, tokens.refresh_token), { error: 'invalid_grant' });
    // A code is good once.
    await assert.rejects(oidc.authorizationCodeGrant(config, callback, checks), { error: 'invalid_grant' });
  },

  async openid_client_refuses_what_was_not_meant_for_it() {
    const config = await discover();
    const verifier = oidc.randomPKCECodeVerifier();
    const start = async () =>
      oidc.buildAuthorizationUrl(config, {
        redirect_uri: CALLBACK,
        scope: 'openid',
        code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
        state: 'one',
        nonce: 'two',
      });
    const checks = { pkceCodeVerifier: verifier, expectedState: 'one', expectedNonce: 'two' };
    const redeem = async (changed) =>
      oidc.authorizationCodeGrant(config, await signIn(await start(), 'viewer', 'viewer'), { ...checks, ...changed });
    await redeem({});
    await assert.rejects(redeem({ pkceCodeVerifier: oidc.randomPKCECodeVerifier() }), { error: 'invalid_grant' });
    await assert.rejects(redeem({ expectedState: 'other' }));
    await assert.rejects(redeem({ expectedNonce: 'other' }));
  },

  async aws_jwt_verify_accepts_the_tokens_and_no_mutation_of_them() {
    const tokens = await passwordTokens('confidential', 'a-secret-of-the-tests-alone');
    const verify = { id: verifierOf('id', 'confidential'), access: verifierOf('access', 'confidential') };
    const id = await verify.id.verify(tokens.IdToken);
    const access = await verify.access.verify(tokens.AccessToken);
    assert.equal(id.sub, access.sub);
    assert.equal(access.scope, 'aws.cognito.signin.user.admin');

    for (const [use, token, other] of [
      ['id', tokens.IdToken, tokens.AccessToken],
      ['access', tokens.AccessToken, tokens.IdToken],
    ]) {
      const refused = (changed, name, verifier = verify[use]) =>
        assert.rejects(verifier.verify(changed), instance(name), `${name} of the ${use} token`);
      const [head, payload, signature] = token.split('.');
      const flipped = (signature[9] === 'A' ? 'B' : 'A') + signature.slice(10);
      await refused(`${head}.${payload}.${signature.slice(0, 9)}${flipped}`, 'JwtInvalidSignatureError');
      const more = encode({ ...decode(payload), 'cognito:groups': ['admin'] });
      await refused(`${head}.${more}.${signature}`, 'JwtInvalidSignatureError');
      // The other token's key, which is published too.
      const foreign = encode({ ...decode(head), kid: decode(other.split('.')[0]).kid });
      await refused(`${foreign}.${payload}.${signature}`, 'JwtInvalidSignatureError');
      const none = encode({ ...decode(head), alg: 'none' });
      await refused(`${none}.${payload}.${signature}`, 'JwtInvalidSignatureAlgorithmError');
      const unknown = encode({ ...decode(head), kid: 'unknown' });
      await refused(`${unknown}.${payload}.${signature}`, 'KidNotFoundInJwksError');
      await refused(other, 'CognitoJwtInvalidTokenUseError');
      await refused(token, 'CognitoJwtInvalidClientIdError', verifierOf(use, 'public'));
      await refused(token, 'JwtInvalidIssuerError', verifierOf(use, 'confidential', `${issuer}2`));
    }
  },

  async aws_jwt_verify_refuses_expired_tokens_and_takes_new_keys() {
    await dev('lifetimes', { client: 'public', id: 1, access: 1 });
    const verify = { id: verifierOf('id', 'public'), access: verifierOf('access', 'public') };
    const short = await passwordTokens('public');
    await sleep(2_100);
    for (const [use, token] of [['id', short.IdToken], ['access', short.AccessToken]]) {
      await assert.rejects(verify[use].verify(token), instance('JwtExpiredError'));
    }
    await dev('lifetimes', { client: 'public', id: 3600, access: 3600 });
    await verify.id.verify((await passwordTokens('public')).IdToken);
    await dev('rotate', {});
    await verify.id.verify((await passwordTokens('public')).IdToken);
  },

  async amazon_cognito_identity_js_signs_in_by_srp() {
    const user = cognitoUser('viewer');
    const session = await authenticate(user, 'viewer', 'viewer');
    assert.equal(session.isValid(), true);
    assert.deepEqual(session.getIdToken().payload['cognito:groups'], ['viewer']);
    const attributes = await promise((done) => user.getUserAttributes(done));
    assert.ok(attributes.some((attribute) => attribute.getValue() === 'viewer@example.com'));

    const name = [new cognito.CognitoUserAttribute({ Name: 'name', Value: 'Vi Ewer' })];
    await promise((done) => user.updateAttributes(name, done));
    const role = [new cognito.CognitoUserAttribute({ Name: 'custom:role', Value: 'admin' })];
    await assert.rejects(promise((done) => user.updateAttributes(role, done)), { name: 'NotAuthorizedException' });
    const refreshed = await promise((done) => user.refreshSession(session.getRefreshToken(), done));
    assert.equal(refreshed.getIdToken().payload.name, 'Vi Ewer');

    await promise((done) => user.globalSignOut({ onSuccess: (told) => done(null, told), onFailure: done }));
    const again = promise((done) => cognitoUser('viewer').refreshSession(session.getRefreshToken(), done));
    await assert.rejects(again, { name: 'NotAuthorizedException', message: 'Refresh Token has been revoked' });
  },

  async amazon_cognito_identity_js_is_refused_a_wrong_password() {
    for (const name of ['viewer', 'nobody']) {
      await assert.rejects(authenticate(cognitoUser(name), name, 'wrong'), {
        name: 'NotAuthorizedException',
        message: 'Incorrect username or password.',
      });
    }
    // Numbers whose first bytes are zero, or have their first bit set, come about once in some hundred tries.
    for (let count = 0; count < 40; count += 1) {
      await authenticate(cognitoUser('viewer'), 'viewer', 'viewer');
    }
  },

  async amazon_cognito_identity_js_sets_a_new_password_and_enters_a_code() {
    const newcomer = cognitoUser('newcomer');
    const asked = await authenticate(newcomer, 'newcomer', 'temporary');
    assert.equal(asked.userAttributes.email, 'newcomer@example.com');
    const session = await promise((done) =>
      newcomer.completeNewPasswordChallenge('my own password', {}, { onSuccess: (s) => done(null, s), onFailure: done }),
    );
    assert.equal(session.isValid(), true);
    await authenticate(cognitoUser('newcomer'), 'newcomer', 'my own password');

    const careful = cognitoUser('careful');
    assert.equal(await authenticate(careful, 'careful', 'careful'), 'SOFTWARE_TOKEN_MFA');
    const send = (code) =>
      promise((done) =>
        careful.sendMFACode(code, { onSuccess: (s) => done(null, s), onFailure: done }, 'SOFTWARE_TOKEN_MFA'),
      );
    await assert.rejects(send('000'), { name: 'CodeMismatchException' });
    assert.equal((await send(code('12345678901234567890'))).isValid(), true);
  },

  async the_aws_sdk_signs_in_and_rotates_its_refresh_token() {
    // Without credentials, as in a browser.
    const sdk = new CognitoIdentityProviderClient({ region: 'eu-central-1', endpoint, maxAttempts: 1 });
    const password = (value) =>
      sdk.send(
        new InitiateAuthCommand({
          ClientId: 'rotating',
          AuthFlow: 'USER_PASSWORD_AUTH',
          AuthParameters: { USERNAME: 'viewer', PASSWORD: value },
        }),
      );
    await assert.rejects(password('wrong'), (error) => error instanceof NotAuthorizedException);
    const first = (await password('viewer')).AuthenticationResult.RefreshToken;
    const renew = (RefreshToken) =>
      sdk.send(new GetTokensFromRefreshTokenCommand({ ClientId: 'rotating', RefreshToken }));
    const second = (await renew(first)).AuthenticationResult.RefreshToken;
    assert.notEqual(first, second);
    await assert.rejects(renew(first), (error) => error instanceof RefreshTokenReuseException);
    await renew(second);
  },
};

/** The pool's metadata, with signatures of ID tokens checked and `http` allowed. */
function discover() {
  return oidc.discovery(new URL(issuer), 'confidential', 'a-secret-of-the-tests-alone', undefined, {
    execute: [oidc.allowInsecureRequests, oidc.enableNonRepudiationChecks],
  });
}

/** A browser without scripts: from the authorize endpoint through the form to the address of the application. */
async function signIn(start, username, password) {
  const cookies = new Map();
  const visit = async (url, options = {}) => {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await fetch(url, { ...options, redirect: 'manual', headers: { cookie } });
    for (const line of answer.headers.getSetCookie()) {
      const [, name, value] = line.match(/^([^=]+)=([^;]*)/);
      cookies.set(name, value);
    }
    return answer;
  };
  const login = new URL((await visit(start)).headers.get('location'), start);
  const [, csrf] = (await (await visit(login)).text()).match(/name="_csrf" value="([^"]+)"/);
  const done = await visit(login, {
    method: 'POST',
    body: new URLSearchParams({ _csrf: csrf, username, password }),
  });
  const callback = new URL(done.headers.get('location'));
  assert.ok(callback.href.startsWith(`${CALLBACK}?code=`), callback.href);
  return callback;
}

/**
 * What `CognitoJwtVerifier` checks, for an issuer that is not at amazonaws.com: the library's own check of `token_use`
 * and client, and its cache of keys, fetched without TLS.
 */
function verifierOf(tokenUse, clientId, expected = issuer) {
  const fetcher = { fetch: async (uri) => (await fetch(uri)).arrayBuffer() };
  return JwtVerifier.create(
    {
      issuer: expected,
      audience: null,
      jwksUri: `${issuer}/.well-known/jwks.json`,
      customJwtCheck: ({ payload }) => validateCognitoJwtFields(payload, { tokenUse, clientId }),
    },
    { jwksCache: new SimpleJwksCache({ fetcher }) },
  );
}

/** For `assert.rejects`, which takes everything for a class that is undefined. */
function instance(name) {
  assert.ok(errors[name], name);
  return errors[name];
}

async function passwordTokens(clientId, secret) {
  const given = { USERNAME: 'viewer', PASSWORD: 'viewer' };
  if (secret) {
    given.SECRET_HASH = createHmac('sha256', secret).update(`viewer${clientId}`).digest('base64');
  }
  const answer = await fetch(endpoint, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-amz-json-1.1',
      'x-amz-target': 'AWSCognitoIdentityProviderService.InitiateAuth',
    },
    body: JSON.stringify({ ClientId: clientId, AuthFlow: 'USER_PASSWORD_AUTH', AuthParameters: given }),
  });
  assert.equal(answer.status, 200);
  return (await answer.json()).AuthenticationResult;
}

async function dev(fault, body) {
  const answer = await fetch(new URL(`/_dev/${fault}`, issuer), {
    method: 'POST',
    headers: { 'x-rolegate-dev': '1', 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  assert.equal(answer.status, 204, await answer.text());
}

function cognitoUser(Username) {
  const Pool = new cognito.CognitoUserPool({ UserPoolId: 'eu-central-1_DevPool1', ClientId: 'public', endpoint });
  return new cognito.CognitoUser({ Username, Pool });
}

/** The session, or what is asked for next. */
function authenticate(user, Username, Password) {
  return new Promise((resolve, reject) => {
    user.authenticateUser(new cognito.AuthenticationDetails({ Username, Password }), {
      onSuccess: resolve,
      onFailure: reject,
      newPasswordRequired: (userAttributes) => resolve({ userAttributes }),
      totpRequired: resolve,
    });
  });
}

function promise(call) {
  return new Promise((resolve, reject) => {
    call((error, value) => (error ? reject(error) : resolve(value)));
  });
}

/** RFC 6238. */
function code(key) {
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000)));
  const tag = createHmac('sha1', key).update(step).digest();
  const number = tag.readUInt32BE(tag[19] & 15) & 0x7fffffff;
  return String(number % 1_000_000).padStart(6, '0');
}

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const decode = (part) => JSON.parse(Buffer.from(part, 'base64url').toString());

setTimeout(() => assert.fail(`${test} takes too long`), 180_000).unref();
await tests[test]();
console.log(`passed ${test}`);
