// Signing in at OpenID providers nobody here wrote, by configuration alone. Started by tests/suite/provider.rs, which
// looks at what the upstream received. The upstream answers with the head that it was sent.

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'node:test';
import { documents, given, isAProperPage, ourCookies, text, way, withBrowser } from './browser.mjs';

const LIMIT = { timeout: 120_000 };

const gate = (path) => given('GATE') + path;

/** The provider's pages ask a font server for a font; nothing outside this machine is part of the test. */
async function newPage(context) {
  await context.route(
    (url) => !['localhost', '127.0.0.1'].includes(url.hostname),
    (route) => route.abort(),
  );
  return context.newPage();
}

/** The provider's own two forms: who are you, and may this client know it. */
async function signIn(page, user) {
  await atLoginForm(page);
  await page.fill('input[name="login"]', user);
  await page.fill('input[name="password"]', 'any will do');
  await page.click('button[type="submit"]');
  await page.waitForSelector('input[name="prompt"][value="consent"]', { state: 'attached' });
  await Promise.all([page.waitForURL((url) => url.origin === given('GATE')), page.click('button[type="submit"]')]);
  await page.waitForLoadState('load');
}

async function atLoginForm(page) {
  await page.waitForSelector('input[name="login"]');
  assert.equal(new URL(page.url()).origin, given('ISSUER'));
}

test('signs_in_and_the_upstream_learns_user_and_roles', LIMIT, async () => {
  await withBrowser({}, async (context) => {
    const page = await newPage(context);
    await page.goto(gate('/papers?x=1&y=a%2Fb'));
    await signIn(page, 'librarian');
    assert.equal(page.url(), gate('/papers?x=1&y=a%2Fb'));
    const seen = await text(page);
    assert.match(seen, /x-user: librarian/i);
    assert.match(seen, /x-roles: editor,reader/i);
    assert.equal((await page.goto(gate('/edit/one'))).status(), 200);
  });
});

test('a_user_without_the_role_is_refused_by_a_page', LIMIT, async () => {
  await withBrowser({}, async (context) => {
    const page = await newPage(context);
    const seen = documents(page);
    await page.goto(gate('/papers'));
    await signIn(page, 'passer-by');
    assert.equal(seen.at(-1).status, 403, way(seen));
    assert.equal(page.url(), gate('/papers'));
    const said = await text(page);
    assert.match(said, /passer-by/);
    assert.match(said, /\breader\b/, 'the page says which role is missing');
    await isAProperPage(page, 'forbidden-other-provider');
  });
});

test('sign_out_is_initiated_at_the_provider_and_comes_back', LIMIT, async () => {
  await withBrowser({}, async (context) => {
    const page = await newPage(context);
    await page.goto(gate('/papers'));
    await signIn(page, 'reader');
    const seen = documents(page);
    await page.goto(gate('/oauth2/signout'));
    const end = new URL(page.url());
    assert.equal(end.origin, given('ISSUER'), way(seen));
    const discovery = await (await fetch(`${given('ISSUER')}/.well-known/openid-configuration`)).json();
    assert.equal(end.origin + end.pathname, discovery.end_session_endpoint);
    assert.equal(end.searchParams.get('client_id'), 'rolegate-test');
    assert.equal(end.searchParams.get('post_logout_redirect_uri'), gate('/oauth2/signout'));
    assert.deepEqual(await ourCookies(context), [], 'no cookie of the gate is left');
    // The provider asks whether one means it.
    await Promise.all([page.waitForURL(gate('/oauth2/signout')), page.click('button[value="yes"]')]);
    assert.equal(seen.at(-1).status, 200, way(seen));
    await page.goto(gate('/papers'));
    await atLoginForm(page);
  });
});

test('the_session_outlives_the_access_token', LIMIT, async () => {
  await withBrowser({}, async (context) => {
    const page = await newPage(context);
    await page.goto(gate('/papers'));
    await signIn(page, 'reader');
    // Twice, because the provider may give another refresh token each time.
    for (let round = 0; round < 2; round += 1) {
      await sleep((Number(given('ACCESS_TOKEN_SECONDS')) + 1) * 1000);
      const seen = documents(page);
      const answer = await page.goto(gate(`/papers/${round}`));
      assert.equal(answer.status(), 200);
      assert.equal(seen.length, 1, `no new login${way(seen)}`);
      assert.match(await text(page), /x-roles: reader/i);
    }
  });
});

test('another_provider_needs_no_other_configuration', LIMIT, async () => {
  await withBrowser({}, async (context) => {
    const page = await newPage(context);
    const asksWho = () => page.waitForSelector('input[name="sub"]');
    await page.goto(gate('/papers?x=1&y=a%2Fb'));
    await asksWho();
    await page.fill('input[name="sub"]', 'librarian');
    await Promise.all([
      page.waitForURL(gate('/papers?x=1&y=a%2Fb')),
      page.getByRole('button', { name: 'Authorize' }).click(),
    ]);
    assert.match(await text(page), /x-roles: editor,reader/i);

    await page.goto(gate('/oauth2/signout'));
    assert.equal(new URL(page.url()).origin, given('ISSUER'));
    await Promise.all([
      page.waitForURL(gate('/oauth2/signout')),
      page.getByRole('button', { name: 'End session' }).click(),
    ]);
    assert.deepEqual(await ourCookies(context), []);
    await page.goto(gate('/papers'));
    await asksWho();

    // Whom it does not know it lets in without a role.
    await page.fill('input[name="sub"]', 'passer-by');
    const refused = page.waitForResponse(gate('/papers'));
    await page.getByRole('button', { name: 'Authorize' }).click();
    assert.equal((await refused).status(), 403);
  });
});
