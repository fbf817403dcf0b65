// An application that was written for a load balancer, with nothing changed but the address of its keys.
// `ALB='{…}' node alb.mjs TEST` runs it on the headers that its upstream saw, and prints `passed TEST`.

import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, sign, verify as verifies } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import { AlbJwtVerifier } from 'aws-jwt-verify';
import { AlbJwksCache } from 'aws-jwt-verify/alb-cache';
import * as errors from 'aws-jwt-verify/error';

const { keys, signer, issuer, client, sub, data, identity, accesstoken, expired } = JSON.parse(process.env.ALB);
const fetched = [];

/** What is set: the address of the keys, and a fetcher, since the library's own speaks https alone. */
function verifierOf(changed = {}) {
  const fetcher = {
    async fetch(uri) {
      fetched.push(uri);
      const answer = await fetch(uri);
      if (answer.status !== 200) throw new errors.FetchError(uri, `status ${answer.status}`);
      return answer.arrayBuffer();
    },
  };
  return AlbJwtVerifier.create(
    { albArn: signer, issuer, clientId: client, jwksUri: keys, ...changed },
    { jwksCache: new AlbJwksCache({ fetcher }) },
  );
}

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64').replaceAll('+', '-').replaceAll('/', '_');
const decode = (text) => JSON.parse(Buffer.from(text, 'base64url'));
const [head, payload, signature] = data.split('.');
const refused = (token, name, verifier = verifierOf()) =>
  assert.rejects(verifier.verify(token), (error) => error instanceof errors[name] || assert.fail(`${name}: ${error}`));

// The true one.
const verifier = verifierOf();
const claims = await verifier.verify(data);
assert.equal(claims.sub, sub);
assert.equal(claims.username, 'user');
assert.equal(claims.email, 'user@example.com');
assert.equal(claims.email_verified, 'true');
assert.equal(claims['custom:team'], 'one+one=?ü');
assert.equal(claims.iss, issuer);
assert.deepEqual(Object.keys(claims).sort(), ['custom:team', 'email', 'email_verified', 'exp', 'iss', 'sub', 'username']);
assert.equal(identity, sub);
assert.equal(decode(accesstoken.split('.')[1]).sub, sub);
assert.equal(decode(accesstoken.split('.')[1]).token_use, 'access');
const header = decode(head);
assert.deepEqual(Object.keys(header).sort(), ['alg', 'client', 'exp', 'iss', 'kid', 'signer', 'typ']);
assert.ok(header.exp - Date.now() / 1000 <= 60 && header.exp === claims.exp);
// One fetch of one key, and no more for the next.
await verifier.verify(data);
assert.deepEqual(fetched, [`${keys}/${header.kid}`]);

// AWS's own way for other languages: fetch the PEM by the id in the header, verify over the parts as they came.
const pem = await (await fetch(`${keys}/${header.kid}`)).text();
const key = { key: createPublicKey(pem), dsaEncoding: 'ieee-p1363' };
assert.ok(verifies('sha256', Buffer.from(`${head}.${payload}`), key, Buffer.from(signature, 'base64url')));
assert.ok([head, payload, signature].every((part) => part.length % 4 === 0), 'padded as by a load balancer');

// Forged.
const own = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
const signed = (header, claims) => {
  const message = `${encode(header)}.${encode(claims)}`;
  const mine = sign('sha256', Buffer.from(message), { key: own, dsaEncoding: 'ieee-p1363' });
  return `${message}.${mine.toString('base64').replaceAll('+', '-').replaceAll('/', '_')}`;
};
await refused(signed(header, claims), 'JwtInvalidSignatureError');
await refused(`${head}.${encode({ ...claims, sub: 'root' })}.${signature}`, 'JwtInvalidSignatureError');
await refused(`${encode({ ...header, alg: 'none' })}.${payload}.${signature}`, 'JwtInvalidSignatureAlgorithmError');
await refused(signed({ ...header, kid: '00000000-0000-4000-8000-000000000000' }, claims), 'FetchError');
await refused(signed({ ...header, kid: '../userinfo' }, claims), 'JwtWithoutValidKidError');
// Meant for another.
const other = signer.replace('123456789012', '210987654321');
await refused(data, 'AlbJwtInvalidSignerError', verifierOf({ albArn: other }));
await refused(data, 'AlbJwtInvalidClientIdError', verifierOf({ clientId: 'other' }));
await refused(data, 'JwtInvalidIssuerError', verifierOf({ issuer: `${issuer}x` }));
// Over.
const ends = decode(expired.split('.')[1]).exp;
await sleep(Math.max(0, (ends + 1) * 1000 - Date.now()));
await refused(expired, 'JwtExpiredError');

console.log(`passed ${process.argv[2]}`);
