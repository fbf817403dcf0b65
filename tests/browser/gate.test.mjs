// What a person sees of the gate, in a real browser. Each test is started by its namesake in tests/suite/browser.rs with
// a dev pool, a gate and a sample upstream of its own.

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'node:test';
import {
  atLoginPage,
  complaints,
  documents,
  given,
  isAProperPage,
  ourCookies,
  picture,
  putPage,
  showsIdentity,
  signIn,
  text,
  way,
  withBrowser,
  withProfile,
} from './browser.mjs';

const LIMIT = { timeout: 240_000 };
const TABS = 30;

const gate = (path) => given('GATE') + path;

/** The dev pool's own account of what happened there. */
async function poolStats(pool) {
  const answer = await fetch(`${pool}/_dev/stats`, { headers: { 'X-Rolegate-Dev': '1' } });
  assert.equal(answer.status, 200, 'the dev pool tells its numbers');
  return answer.json();
}

/** The page neither is nor became an error. */
async function isNoError(page, seen, what) {
  const last = seen.at(-1);
  assert.ok(last && last.status < 400, `${what}: ends well${way(seen)}\n  ${await text(page)}`);
}

test('deep_link_comes_back_to_exactly_that_address', LIMIT, async () => {
  await withBrowser({}, async (context) => {
    const page = await context.newPage();
    const target = gate('/reports/q3?x=1&y=a%2Fb');
    await page.goto(target);
    await atLoginPage(page);
    await picture(page, 'pool-login');
    await signIn(page, 'viewer');
    assert.equal(page.url(), target);
    await showsIdentity(page, 'viewer', 'viewer');
    await picture(page, 'sample-upstream');

    const cookies = await ourCookies(context);
    assert.ok(cookies.length > 0, 'there is a session cookie');
    for (const cookie of cookies) {
      assert.ok(cookie.httpOnly, `${cookie.name} is hidden from scripts`);
      assert.equal(cookie.sameSite, 'Lax', cookie.name);
      assert.equal(cookie.path, '/', cookie.name);
    }
    assert.ok(!cookies.some((cookie) => cookie.name.includes('-login-')), 'the attempt is used up and its cookie gone');

    const seen = documents(page);
    await page.goto(gate('/reports/q4'));
    assert.equal(seen.length, 1, `the second page needs no redirect${way(seen)}`);
  });
});

test('wrong_password_is_asked_again_and_the_deep_link_survives', LIMIT, async () => {
  await withBrowser({}, async (context) => {
    const page = await context.newPage();
    await page.goto(gate('/reports/q3?x=1&y=a%2Fb'));
    await signIn(page, 'viewer', 'not-the-password');
    await signIn(page, 'viewer');
    assert.equal(page.url(), gate('/reports/q3?x=1&y=a%2Fb'));
  });
});

async function refusedAndSwitches(context) {
  const page = await context.newPage();
  const heard = complaints(page);
  await page.goto(gate('/'));
  await signIn(page, 'viewer');

  const answer = await page.goto(gate('/admin'));
  assert.equal(answer.status(), 403);
  assert.equal(page.url(), gate('/admin'), 'a refusal is no redirect');
  const said = await text(page);
  assert.match(said, /\bviewer\b/, 'the page says who is signed in');
  assert.match(said, /\badmin\b/, 'the page says which role is missing');
  await isAProperPage(page, 'forbidden');

  const offer = page.getByRole('link', { name: /another account/i });
  assert.equal(await offer.count(), 1, `one offer of another account on: ${said}`);
  await offer.click();
  await atLoginPage(page);
  assert.deepEqual(
    (await ourCookies(context)).filter((cookie) => !cookie.name.includes('-login-')).map((cookie) => cookie.name),
    [],
    'nothing is left of the first account',
  );
  await signIn(page, 'admin');
  assert.equal(page.url(), gate('/admin'), 'the new account comes back to where the old one was refused');
  await showsIdentity(page, 'admin', 'admin,editor,viewer');
  assert.deepEqual(heard, [], 'the pages keep their own policy');
}

test('missing_role_is_explained_and_another_account_comes_back', LIMIT, async () => {
  await withBrowser({}, refusedAndSwitches);
});

test('everything_works_without_scripts', LIMIT, async () => {
  await withBrowser({ javaScriptEnabled: false }, async (context) => {
    await refusedAndSwitches(context);
    const page = await context.newPage();
    await page.goto(gate('/oauth2/signout'));
    assert.equal(page.url(), gate('/oauth2/signout'));
    await page.goto(gate('/'));
    await atLoginPage(page);
  });
});

test('sign_out_ends_the_gates_and_the_pools_session', LIMIT, async () => {
  await withBrowser({}, async (context) => {
    const page = await context.newPage();
    const heard = complaints(page);
    await page.goto(gate('/reports/q3'));
    await atLoginPage(page);
    const pool = new URL(page.url()).origin;
    await signIn(page, 'viewer');
    const before = await ourCookies(context);
    assert.ok(before.length > 0);
    const revokedBefore = (await poolStats(pool)).revoke;

    const seen = documents(page);
    const answer = await page.goto(gate('/oauth2/signout'));
    assert.equal(answer.status(), 200, `the landing page is public${way(seen)}`);
    assert.equal(page.url(), gate('/oauth2/signout'));
    const logout = seen.map(({ url }) => new URL(url)).find((url) => url.origin === pool);
    assert.ok(logout, `the way leads over the pool${way(seen)}`);
    assert.equal(logout.pathname, '/logout');
    assert.equal(logout.searchParams.get('logout_uri'), gate('/oauth2/signout'), 'as it is registered, without a query');
    assert.ok(logout.searchParams.get('client_id'));
    assert.deepEqual(await ourCookies(context), [], 'no cookie of the gate is left');
    await isAProperPage(page, 'signed-out');
    assert.deepEqual(heard, [], 'the page keeps its own policy');

    // The person does not wait for it, so neither is it there at once.
    let revoked = revokedBefore;
    for (let turn = 0; turn < 50 && revoked === revokedBefore; turn += 1) {
      await sleep(100);
      revoked = (await poolStats(pool)).revoke;
    }
    assert.equal(revoked, revokedBefore + 1, 'the pool was asked to revoke the refresh token');

    await page.goto(gate('/'));
    await atLoginPage(page);

    // The landing page again, as a bookmark: still a page, nobody is signed in or out by it.
    assert.equal((await page.goto(gate('/oauth2/signout'))).status(), 200);
  });
});

test('going_back_after_the_sign_out_shows_nothing_protected', LIMIT, async () => {
  // As Playwright starts Chromium, where going back asks the disk cache, and as people do, with pages kept whole.
  for (const keepsPages of [false, true]) {
    await withBrowser({ keepsPages }, async (context) => {
      const page = await context.newPage();
      await page.goto(gate('/reports/1'));
      await signIn(page, 'admin');
      for (const report of [1, 2, 3]) {
        await page.goto(gate(`/reports/${report}`));
        assert.match(await text(page), /Protected/);
      }
      // A page that was kept whole is not loaded again, so only its address is waited for.
      await page.goBack({ waitUntil: 'commit' });
      assert.equal(page.url(), gate('/reports/2'));
      assert.match(await text(page), /Protected/, 'while one is signed in, going back is as ever');
      await page.goto(gate('/oauth2/userinfo'));
      assert.deepEqual(await page.locator('dd').allInnerTexts(), ['admin', 'admin', 'editor', 'viewer'], 'a role a line');
      await picture(page, 'userinfo-with-roles');
      await page.click('text=Sign out');
      await page.waitForURL(gate('/oauth2/signout'));
      assert.match(await text(page), /signed out/i);
      await picture(page, `signed-out-${keepsPages}`);

      await page.goBack({ waitUntil: 'commit' });
      assert.equal(page.url(), gate('/oauth2/userinfo'));
      assert.match(await text(page), /please sign in/i);
      for (const report of [2, 1]) {
        await page.goBack({ waitUntil: 'commit' });
        await picture(page, `back-after-sign-out-${keepsPages}-${report}`);
        assert.doesNotMatch(await text(page), /Protected/, `at ${page.url()}`);
        await atLoginPage(page);
      }
      const left = (await ourCookies(context)).map(({ name }) => name).filter((name) => !name.includes('-login-'));
      assert.deepEqual(left, [], 'nobody is signed in');
    });
  }
});

test('the_landing_page_of_someone_signed_in_offers_to_sign_out', LIMIT, async () => {
  await withBrowser({}, async (context) => {
    const page = await context.newPage();
    await page.goto(gate('/'));
    await atLoginPage(page);
    const pool = new URL(page.url()).origin;
    await signIn(page, 'viewer');
    // A link on a foreign page must not sign anyone out: it leads to the landing page and no further.
    await putPage(context, `${pool}/elsewhere`, `<a id="trap" href="${gate('/oauth2/signout')}">a picture</a>`);
    await page.goto(`${pool}/elsewhere`);
    const seen = documents(page);
    await Promise.all([page.waitForURL(gate('/oauth2/signout')), page.click('#trap')]);
    assert.equal(seen.length, 1, `no redirect${way(seen)}`);
    assert.ok((await ourCookies(context)).length > 0, 'still signed in');
    await isAProperPage(page, 'landing-signed-in');
    // What the person does on our own page counts.
    await Promise.all([page.waitForNavigation(), page.getByRole('link', { name: /sign.?out/i }).click()]);
    assert.equal(page.url(), gate('/oauth2/signout'));
    assert.deepEqual(await ourCookies(context), []);
    await page.goto(gate('/'));
    await atLoginPage(page);
  });
});

for (const [name, order] of [
  ['two_tabs_sign_in_first_tab_first', [0, 1]],
  ['two_tabs_sign_in_last_tab_first', [1, 0]],
]) {
  test(name, LIMIT, async () => {
    await withBrowser({}, async (context) => {
      const targets = [gate('/one?tab=1'), gate('/two?tab=2')];
      const tabs = [await context.newPage(), await context.newPage()];
      await Promise.all(tabs.map((tab, index) => tab.goto(targets[index])));
      await Promise.all(tabs.map(atLoginPage));
      for (const index of order) {
        await signIn(tabs[index], 'viewer');
        assert.equal(tabs[index].url(), targets[index]);
        await showsIdentity(tabs[index], 'viewer', 'viewer');
      }
      for (const [index, tab] of tabs.entries()) {
        await tab.reload();
        assert.equal(tab.url(), targets[index]);
        await showsIdentity(tab, 'viewer', 'viewer');
      }
    });
  });
}

test('thirty_restored_tabs_with_the_pools_session_show_no_error', LIMIT, async (t) => {
  await withBrowser({}, async (context) => {
    const first = await context.newPage();
    await first.goto(gate('/'));
    await signIn(first, 'viewer');
    for (const cookie of await ourCookies(context)) {
      await context.clearCookies({ name: cookie.name });
    }
    const tabs = await Promise.all(Array.from({ length: TABS }, () => context.newPage()));
    const ways = tabs.map(documents);
    await Promise.all(tabs.map((tab, index) => tab.goto(gate(`/tab/${index}`), { waitUntil: 'load' })));
    let kept = 0;
    for (const [index, tab] of tabs.entries()) {
      await isNoError(tab, ways[index], `tab ${index}`);
      assert.equal(new URL(tab.url()).origin, given('GATE'), `tab ${index} is home${way(ways[index])}`);
      await showsIdentity(tab, 'viewer', 'viewer');
      assert.ok(ways[index].length <= 12, `tab ${index} went no loop${way(ways[index])}`);
      if (tab.url() === gate(`/tab/${index}`)) kept += 1;
    }
    t.diagnostic(`${kept} of ${TABS} tabs are at the very address they were opened at`);
    assert.ok((await ourCookies(context)).length <= 10, 'the jar did not fill up with attempts');
  });
});

test('thirty_restored_tabs_without_any_session_show_no_error', LIMIT, async (t) => {
  await withBrowser({}, async (context) => {
    const tabs = await Promise.all(Array.from({ length: TABS }, () => context.newPage()));
    const ways = tabs.map(documents);
    await Promise.all(tabs.map((tab, index) => tab.goto(gate(`/tab/${index}`))));
    for (const [index, tab] of tabs.entries()) {
      await isNoError(tab, ways[index], `tab ${index} before`);
      await atLoginPage(tab);
    }
    // Tabs that are opened in the same moment cannot know of each other; the next one sees all of them and tidies up.
    const attempts = async () => (await ourCookies(context)).filter((cookie) => cookie.name.includes('-login-'));
    const together = (await attempts()).length;
    await tabs[TABS - 1].goto(gate('/one-more'));
    await atLoginPage(tabs[TABS - 1]);
    const tidied = (await attempts()).length;
    t.diagnostic(`${together} attempts after ${TABS} tabs at once, ${tidied} after one more`);
    assert.ok(tidied <= 8, `${tidied} attempts are kept`);

    // The first tab is one whose attempt may have been pushed out by later ones.
    const signedIn = 0;
    await signIn(tabs[signedIn], 'viewer');
    await isNoError(tabs[signedIn], ways[signedIn], 'the tab that signed in');
    await showsIdentity(tabs[signedIn], 'viewer', 'viewer');

    const others = tabs.filter((_, index) => index !== signedIn);
    await Promise.all(others.map((tab) => tab.reload()));
    let home = 0;
    let kept = 0;
    for (const [index, tab] of tabs.entries()) {
      await isNoError(tab, ways[index], `tab ${index} after`);
      if (new URL(tab.url()).origin === given('GATE')) home += 1;
      if (tab.url() === gate(`/tab/${index}`)) kept += 1;
    }
    // Others sign in again, each at the form that it still shows, whether its attempt was kept or not.
    for (const index of [1, TABS / 2, TABS - 2]) {
      if (new URL(tabs[index].url()).origin === given('GATE')) continue;
      await signIn(tabs[index], 'viewer');
      await isNoError(tabs[index], ways[index], `tab ${index} signed in again`);
      await showsIdentity(tabs[index], 'viewer', 'viewer');
    }
    t.diagnostic(`after the reload ${home} of ${TABS} tabs are home, ${kept} at the very address they were opened at`);

    // Whoever is still at the login form types the address again, or follows the bookmark.
    await Promise.all(tabs.map((tab, index) => tab.goto(gate(`/tab/${index}`))));
    for (const [index, tab] of tabs.entries()) {
      assert.equal(tab.url(), gate(`/tab/${index}`));
      await showsIdentity(tab, 'viewer', 'viewer');
    }
  });
});

test('blocked_cookies_of_the_gate_get_a_page_that_says_so', LIMIT, async () => {
  // As a person blocks one site: the pool, on another host, keeps its cookies and its session.
  const settings = { content_settings: { exceptions: { cookies: { '[*.]localhost,*': { setting: 2 } } } } };
  await withProfile(settings, async (context) => {
    const page = await context.newPage();
    const seen = documents(page);
    const heard = complaints(page);
    await page.goto(gate('/reports/q3'));
    await signIn(page, 'viewer');
    assert.deepEqual(await ourCookies(context), [], 'the browser keeps none of the cookies');
    assert.equal(new URL(page.url()).origin, given('GATE'), `it ends at the gate${way(seen)}`);
    assert.match(await text(page), /cookie/i, 'the page says that it is about cookies');
    assert.ok(seen.length <= 12, `no loop${way(seen)}`);
    await isAProperPage(page, 'cookies-blocked');
    assert.deepEqual(heard, [], 'the page keeps its own policy');
    // Its way out tries once more and ends at the same page, not in a loop.
    const links = page.getByRole('link');
    assert.ok((await links.count()) >= 1, 'the page offers a way out');
    const before = seen.length;
    await Promise.all([page.waitForNavigation(), links.first().click()]);
    assert.match(await text(page), /cookie/i);
    assert.ok(seen.length - before <= 12, `no loop${way(seen.slice(before))}`);
  });
});

test('all_cookies_off_ends_at_the_page_that_says_so', LIMIT, async () => {
  // The pool keeps no session either, so it asks again after the restart: twice is all a person has to sign in.
  await withProfile({ default_content_setting_values: { cookies: 2 } }, async (context) => {
    const page = await context.newPage();
    const seen = documents(page);
    await page.goto(gate('/reports/q3'));
    await signIn(page, 'viewer');
    await signIn(page, 'viewer');
    assert.equal(new URL(page.url()).origin, given('GATE'), `it ends at the gate${way(seen)}`);
    assert.match(await text(page), /cookie/i, 'the page says that it is about cookies');
    assert.deepEqual(await context.cookies(), []);
    assert.ok(seen.length <= 14, `no loop${way(seen)}`);
  });
});

test('going_back_after_the_login_is_no_error', LIMIT, async () => {
  await withBrowser({}, async (context) => {
    const page = await context.newPage();
    const seen = documents(page);
    await page.goto(gate('/reports/q3'));
    await signIn(page, 'viewer');
    const callback = seen.find(({ url }) => url.startsWith(gate('/oauth2/callback?')));
    assert.ok(callback, `the callback was on the way${way(seen)}`);

    // The callback's address again: from the history list, or a reload that came late.
    const answer = await page.goto(callback.url);
    assert.ok(answer.status() < 400, `the used callback is no error${way(seen)}`);
    assert.equal(new URL(page.url()).origin, given('GATE'));
    await showsIdentity(page, 'viewer', 'viewer');

    // The arrow: over the pages of the login to before it.
    for (let step = 0; step < 2; step += 1) {
      await page.goBack().catch(() => null);
      await isNoError(page, seen, 'back');
    }
    await page.goto(gate('/reports/q4'));
    await showsIdentity(page, 'viewer', 'viewer');
  });
});

test('a_fetch_without_a_session_is_told_and_gets_no_cookie', LIMIT, async () => {
  await withBrowser({}, async (context) => {
    const page = await context.newPage();
    const answer = await page.goto(gate('/public/hello'));
    assert.equal(answer.status(), 200, 'a public page needs nobody');
    assert.deepEqual(await ourCookies(context), []);
    await putPage(context, gate('/public/application'), '<h1>An application</h1>');
    await page.goto(gate('/public/application'));
    const told = await page.evaluate(async () => {
      const got = await fetch('/api/things', { redirect: 'manual' });
      return { status: got.status, type: got.headers.get('content-type'), body: await got.text() };
    });
    assert.equal(told.status, 401);
    assert.match(told.type, /^application\/problem\+json/);
    const problem = JSON.parse(told.body);
    assert.equal(problem.error, 'login_required');
    assert.ok(problem.login_url, 'it says where to sign in');
    assert.deepEqual(await ourCookies(context), [], 'a fetch begins no attempt');

    // What a single-page application does with it.
    await page.goto(new URL(problem.login_url, given('GATE')).href);
    await signIn(page, 'viewer');
    assert.equal(new URL(page.url()).origin, given('GATE'));
    await page.goto(gate('/public/application'));
    const after = await page.evaluate(async () => (await fetch('/api/things')).status);
    assert.equal(after, 200);
  });
});

test('a_form_and_a_frame_without_a_session_get_a_page_with_a_link', LIMIT, async () => {
  await withBrowser({}, async (context) => {
    const page = await context.newPage();
    await putPage(
      context,
      gate('/public/application'),
      '<form method="post" action="/orders"><button>order</button></form><iframe src="/framed"></iframe>',
    );
    const [framed] = await Promise.all([
      page.waitForResponse((response) => response.url() === gate('/framed')),
      page.goto(gate('/public/application')),
    ]);
    assert.equal(framed.status(), 401, 'a frame is not sent to a login that would refuse to be framed');
    assert.deepEqual(await ourCookies(context), [], 'a frame begins no attempt');
    const [answer] = await Promise.all([
      page.waitForResponse((response) => response.url() === gate('/orders')),
      page.click('button'),
    ]);
    assert.equal(answer.status(), 401);
    assert.match(answer.headers()['content-type'], /^text\/html/);
    await page.waitForLoadState('load');
    await isAProperPage(page, 'form-without-session');
    assert.deepEqual(await ourCookies(context), [], 'a form post begins no attempt');
    await page.getByRole('link').first().click();
    await signIn(page, 'viewer');
    assert.equal(new URL(page.url()).origin, given('GATE'));
    await showsIdentity(page, 'viewer', 'viewer');
  });
});

test('the_other_pages_of_the_gate_are_proper_pages', LIMIT, async () => {
  await withBrowser({}, async (context) => {
    const page = await context.newPage();
    const heard = complaints(page);
    const looks = async (path, status, name) => {
      const answer = await page.goto(gate(path));
      assert.equal(answer.status(), status, `${path}`);
      await isAProperPage(page, name);
      assert.match(answer.headers()['content-security-policy'], /default-src 'none'/, name);
      assert.match(answer.headers()['cache-control'], /no-store/, name);
    };
    await looks('/oauth2/callback?state=a&state=b', 400, 'callback-malformed');
    await looks('/a%2fb', 400, 'ambiguous-path');
    await looks('/oauth2/nothing-here', 404, 'unknown-page');
    await looks('/oauth2/signout', 200, 'landing');
    await page.goto(gate('/'));
    await signIn(page, 'viewer');
    await looks('/oauth2/userinfo', 200, 'userinfo');
    assert.match(await text(page), /\bviewer\b/);
    await page.setViewportSize({ width: 320, height: 640 });
    await looks('/admin', 403, 'forbidden-on-a-small-screen');
    const wider = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
    assert.ok(!wider, 'nothing to scroll sideways on a small screen');
    await page.emulateMedia({ colorScheme: 'dark' });
    await picture(page, 'forbidden-in-the-dark');
    assert.deepEqual(heard, [], 'the pages keep their own policy');
  });
});

test('a_page_that_needs_a_stronger_sign_in_asks_for_it_and_says_so_if_it_does_not_come', LIMIT, async () => {
  await withBrowser({}, async (context) => {
    const page = await context.newPage();
    const heard = complaints(page);
    await page.goto(gate('/reports/q3'));
    await signIn(page, 'viewer');
    await showsIdentity(page, 'viewer', 'viewer');

    // A password is all that viewer has, and the pool's own session is not enough: it asks again.
    await page.goto(gate('/strong/q3'));
    await atLoginPage(page);
    assert.equal(new URL(page.url()).searchParams.get('acr_values'), 'urn:cognito:loa:3');
    const seen = documents(page);
    await signIn(page, 'viewer');
    assert.equal(new URL(page.url()).pathname, '/oauth2/callback', `no way around again${way(seen)}`);
    const said = await text(page);
    assert.match(said, /\bviewer\b/, 'the page says who is signed in');
    assert.match(said, /urn:cognito:loa:3/, 'the page says what is missing');
    await isAProperPage(page, 'not-strong-enough');
    assert.deepEqual(heard, [], 'the page keeps its own policy');

    assert.equal((await page.goto(gate('/reports/q4'))).status(), 200, 'the session is there for all else');
    await showsIdentity(page, 'viewer', 'viewer');
  });
});

test('a_stopped_upstream_is_a_page_with_a_request_id', LIMIT, async () => {
  await withBrowser({}, async (context) => {
    const page = await context.newPage();
    await page.goto(gate('/'));
    await signIn(page, 'viewer');
    const answer = await page.reload();
    assert.equal(answer.status(), 502);
    await isAProperPage(page, 'upstream-stopped');
    const id = answer.headers()['x-request-id'];
    assert.ok(id, 'the answer names the request');
    assert.ok((await text(page)).includes(id), 'and so does the page');
  });
});

test('a_deep_links_fragment_survives_the_login', LIMIT, async () => {
  await withBrowser({}, async (context) => {
    const page = await context.newPage();
    const heard = complaints(page);
    const target = gate('/app?x=1#section-2');
    await page.goto(target);
    await atLoginPage(page);
    assert.ok(!page.url().includes('section-2'), 'the pool is not told');
    await signIn(page, 'viewer');
    await page.waitForURL(target);
    await showsIdentity(page, 'viewer', 'viewer');
    const kept = () => page.evaluate(() => Object.keys(sessionStorage));
    assert.deepEqual(await kept(), [], 'nothing of it is left in the browser');
    assert.deepEqual(heard, [], 'the pages keep their own policy');

    // Back is where the person was before: neither the page that went on nor the callback is in the history.
    await page.goBack().catch(() => null);
    assert.ok(!page.url().startsWith(gate('/oauth2/')), `no page of the gate: ${page.url()}`);
  });

  // Two tabs at once, each with its own; and one that had none.
  await withBrowser({}, async (context) => {
    const targets = [gate('/one#first'), gate('/two?y=2#second=2&x=%22%3E%3Cscript%3E'), gate('/three')];
    const tabs = [];
    for (const target of targets) {
      const tab = await context.newPage();
      await tab.goto(target);
      await atLoginPage(tab);
      tabs.push(tab);
    }
    for (const index of [1, 0, 2]) {
      await signIn(tabs[index], 'viewer');
      await tabs[index].waitForURL(targets[index]);
      await showsIdentity(tabs[index], 'viewer', 'viewer');
    }
  });

  // A login that was begun by hand, one that brings its own fragment, and one that was given up in the same tab.
  await withBrowser({}, async (context) => {
    const page = await context.newPage();
    await page.goto(gate('/given-up#long-ago'));
    await atLoginPage(page);
    await page.goto(gate('/oauth2/start?rd=%2Fapp%3Fx%3D1#from-start'));
    await signIn(page, 'viewer');
    await page.waitForURL(gate('/app?x=1#from-start'));
    assert.deepEqual(await page.evaluate(() => Object.keys(sessionStorage)), [], 'the one given up is gone too');
  });
  await withBrowser({}, async (context) => {
    const page = await context.newPage();
    await page.goto(gate('/oauth2/start?rd=%2Fapp%23own#not-this'));
    await signIn(page, 'viewer');
    await page.waitForURL(gate('/app#own'));
  });

  // What an application leaves under the name cannot lead anywhere else: it only ever becomes a fragment.
  await withBrowser({}, async (context) => {
    const page = await context.newPage();
    await putPage(context, gate('/public/application'), '<h1>An application</h1>');
    await page.goto(gate('/app'));
    await atLoginPage(page);
    const login = page.url();
    const state = new URL(login).searchParams.get('state');
    assert.ok(state, login);
    await page.goto(gate('/public/application'));
    await page.evaluate((key) => sessionStorage.setItem(key, '//evil.example/#x'), `rolegate-fragment-${state}`);
    await page.goto(login);
    await signIn(page, 'viewer');
    await page.waitForURL((url) => url.origin === given('GATE') && url.pathname === '/app');
    assert.equal(page.url(), gate('/app#//evil.example/#x'));
  });
});

test('without_scripts_a_kept_fragment_is_lost_and_nothing_else', LIMIT, async () => {
  await withBrowser({ javaScriptEnabled: false }, async (context) => {
    const page = await context.newPage();
    await page.goto(gate('/app?x=1#section-2'));
    await atLoginPage(page);
    await signIn(page, 'viewer');
    await page.waitForURL((url) => url.pathname === '/app');
    assert.equal(page.url(), gate('/app?x=1'));
    await showsIdentity(page, 'viewer', 'viewer');
  });
  // Who may run scripts and keep nothing is signed in just the same, if the cookies are kept.
  await withBrowser({}, async (context) => {
    await context.addInitScript(() => {
      Object.defineProperty(window, 'sessionStorage', {
        get() {
          throw new DOMException('no storage here', 'SecurityError');
        },
      });
    });
    const page = await context.newPage();
    await page.goto(gate('/app?x=1#section-2'));
    await signIn(page, 'viewer');
    await page.waitForURL(gate('/app?x=1'));
  });
  // The page that goes on, as someone sees it whose browser does not: it is held, and its link followed by hand.
  await withBrowser({}, async (context) => {
    const page = await context.newPage();
    let held;
    await context.route(gate('/app'), async (route) => {
      const answer = await route.fetch();
      held = answer.headers();
      const body = (await answer.text()).replace(/<script>.*<\/script>/s, '');
      await route.fulfill({ response: answer, body });
    });
    await page.goto(gate('/app'));
    assert.match(held['content-security-policy'], /script-src 'sha256-/);
    await isAProperPage(page, 'on-to-the-sign-in');
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.setViewportSize({ width: 320, height: 640 });
    await picture(page, 'on-to-the-sign-in-dark-and-small');
    await page.getByRole('link', { name: 'Go on' }).click();
    await atLoginPage(page);
  });
});

test('a_template_of_ones_own_is_shown_with_its_style', LIMIT, async () => {
  await withBrowser({}, async (context) => {
    const page = await context.newPage();
    const heard = complaints(page);
    const looks = async (path, status, name) => {
      const answer = await page.goto(gate(path));
      assert.equal(answer.status(), status, path);
      await isAProperPage(page, `own-${name}`);
      // The style applies: its hash is the one that the policy allows. And the picture stands in the page itself.
      const main = page.locator('main');
      assert.equal(await main.evaluate((node) => getComputedStyle(node).borderTopWidth), '6px', name);
      assert.ok(await page.locator('img').evaluate((node) => node.complete && node.naturalWidth > 0), name);
    };
    await looks('/oauth2/signout', 200, 'signed-out');
    await looks('/a%2fb', 400, 'error');
    await page.goto(gate('/'));
    await signIn(page, 'viewer');
    await looks('/oauth2/userinfo', 200, 'userinfo');
    await looks('/admin', 403, 'forbidden');
    assert.match(await text(page), /role_missing/);
    await page.emulateMedia({ colorScheme: 'dark' });
    await picture(page, 'own-forbidden-in-the-dark');
    await page.setViewportSize({ width: 320, height: 640 });
    await picture(page, 'own-forbidden-on-a-small-screen');
    const wider = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
    assert.ok(!wider, 'nothing to scroll sideways on a small screen');
    await page.getByRole('link', { name: /another account/i }).click();
    await atLoginPage(page);
    assert.deepEqual(heard, [], 'the pages keep their own policy');
  });
});

test('too_many_sign_ins_are_a_page_that_says_so', LIMIT, async () => {
  await withBrowser({}, async (context) => {
    const page = await context.newPage();
    await page.goto(gate('/reports/q3'));
    await atLoginPage(page);
    const other = await context.newPage();
    const answer = await other.goto(gate('/reports/q4'));
    assert.equal(answer.status(), 429);
    await isAProperPage(other, 'too-many-sign-ins');
    assert.match(await text(other), /\d+ s\b/, 'it says for how long');
    await other.setViewportSize({ width: 320, height: 640 });
    await other.emulateMedia({ colorScheme: 'dark' });
    await picture(other, 'too-many-sign-ins-dark-and-small');
    // Whoever is at the pool already gets in.
    await signIn(page, 'viewer');
    assert.equal(page.url(), gate('/reports/q3'));
  });
});
