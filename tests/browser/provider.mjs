// An OpenID provider that the authors of rolegate did not write: `oidc-provider` from npm, with one client, PKCE required,
// RS256, and the roles of its users in a claim of the ID token. Prints `ready <issuer>` once it serves.

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

/** A claim's name as others name theirs: a URL, which is not to be read as a path. */
const ROLES = 'https://example.org/roles';

/** Whoever is not listed signs in too, and has no role. */
const USERS = {
  librarian: ['reader', 'editor'],
  reader: ['reader'],
};

const gate = process.env.GATE;
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: 'rolegate-test',
        client_secret: process.env.CLIENT_SECRET,
        redirect_uris: [`${gate}/oauth2/callback`],
        post_logout_redirect_uris: [`${gate}/oauth2/signout`],
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
      },
    ],
    pkce: { required: () => true, methods: ['S256'] },
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256', kid: 'one' }] },
    cookies: { keys: [randomBytes(32).toString('base64url')] },
    claims: { openid: ['sub', ROLES], email: ['email', 'email_verified'], profile: ['name'] },
    // The claims of the scopes in the ID token, where a gate reads them, and not behind the userinfo endpoint alone.
    conformIdTokenClaims: false,
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({
        sub: id,
        name: id,
        email: `${id}@example.org`,
        email_verified: true,
        [ROLES]: USERS[id] ?? [],
      }),
    }),
    issueRefreshToken: (_, client) => client.grantTypeAllowed('refresh_token'),
    // Short, so that a test can outlive it.
    ttl: { AccessToken: Number(process.env.ACCESS_TOKEN_SECONDS ?? 3600) },
    features: {
      // Its own form: takes any login with any password, then asks for consent.
      devInteractions: { enabled: true },
      revocation: { enabled: true },
      rpInitiatedLogout: { enabled: true },
    },
  });
  // What the test wants to have seen, as lines on standard output.
  provider.on('grant.success', (context) => console.log(`granted ${context.oidc.params.grant_type}`));
  provider.on('grant.error', (_, error) => console.log(`refused ${error.message}: ${error.error_detail ?? error.error_description}`));
  provider.on('refresh_token.destroyed', () => console.log('destroyed refresh_token'));
  provider.on('server_error', (_, error) => console.log(`server error ${error.stack}`));
  server.on('request', provider.callback());
  console.log(`ready ${issuer}`);
});
