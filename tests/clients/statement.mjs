// An upstream that verifies `X-Rolegate-Assertion` with a library that nobody here wrote.
// `STATEMENT='{…}' node statement.mjs TEST` runs it on what its upstream saw, and prints `passed TEST`.

import assert from 'node:assert/strict';

import { createRemoteJWKSet, jwtVerify } from 'jose';

const { keys, issuer, statement, request } = JSON.parse(process.env.STATEMENT);

// As docs/upstream.md has it.
const set = createRemoteJWKSet(new URL(keys));
async function whoAsks(token, { method, host, path }) {
  const { payload } = await jwtVerify(token, set, {
    algorithms: ['ES256'],
    issuer,
    audience: 'reports',
    requiredClaims: ['exp', 'sub', 'method', 'host', 'path'],
  });
  if (payload.method !== method || payload.host !== host || payload.path !== path) throw new Error('another request');
  return { user: payload.user, roles: payload.roles };
}

assert.deepEqual(await whoAsks(statement, request), { user: 'admin', roles: ['admin', 'user'] });
await assert.rejects(whoAsks(statement, { ...request, path: '/admin/users' }), /another request/);
await assert.rejects(whoAsks(statement, { ...request, method: 'DELETE' }), /another request/);
await assert.rejects(whoAsks(statement, { ...request, host: 'other.test' }), /another request/);
await assert.rejects(jwtVerify(statement, set, { audience: 'invoices' }), { code: 'ERR_JWT_CLAIM_VALIDATION_FAILED' });
const [head, , signature] = statement.split('.');
const forged = Buffer.from(JSON.stringify({ user: 'root' })).toString('base64url');
await assert.rejects(whoAsks(`${head}.${forged}.${signature}`, request), { code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED' });

console.log(`passed ${process.argv[2]}`);
