// Chromium and what a person does with it: open an address, sign in, look at the page, read the cookie jar.
// It knows no more of the gate and the pool than a person sees.

import assert from 'node:assert/strict';
import { accessSync, constants, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { chromium } from 'playwright-core';

/** How long a person would wait for a page. Thirty tabs on two cores are slower than one. */
const PATIENCE = 60_000;

/** The name of a cookie of the gate, as cookies are named on an http origin. */
const OURS = /^(__Host-)?rolegate(-|\.|$)/;

/** The fields that a person sees; the form may have hidden ones of the same name beside them. */
const USERNAME = 'input[name="username"]:not([type="hidden"])';
const PASSWORD = 'input[name="password"]:not([type="hidden"])';

/** A value that the Rust side of the test hands over. */
export function given(name) {
  const value = process.env[name];
  assert.ok(value, `${name} is not set: these tests are started by cargo test, see tests/suite/browser.rs`);
  return value;
}

function program() {
  const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
  const candidates = process.env.CHROMIUM
    ? [process.env.CHROMIUM]
    : (process.env.PATH ?? '').split(delimiter).flatMap((folder) => names.map((name) => join(folder, name)));
  for (const candidate of candidates) {
    try {
      accessSync(candidate, constants.X_OK);
      return candidate;
    } catch {
      // the next one
    }
  }
  throw new Error('no Chromium found: `make test` installs it, or set CHROMIUM=/path/to/it');
}

export function launchOptions() {
  return {
    executablePath: program(),
    headless: true,
    args: [
      // Nothing but the pages under test: no updates, no look-ups.
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--disable-dev-shm-usage',
    ],
  };
}

/**
 * Runs `body` in a browser that has never been anywhere.
 * @param options as Playwright's newContext, for example `{ javaScriptEnabled: false }`; with `keepsPages` the browser
 *   keeps pages whole in memory for going back, as it does for people
 */
export async function withBrowser({ keepsPages = false, ...options }, body) {
  const kept = keepsPages ? { ignoreDefaultArgs: ['--disable-back-forward-cache'] } : {};
  const browser = await chromium.launch({ ...launchOptions(), ...kept });
  try {
    const context = await browser.newContext(options);
    context.setDefaultTimeout(PATIENCE);
    await body(context, browser);
  } finally {
    await browser.close();
  }
}

/**
 * Runs `body` in a browser whose settings say who may keep cookies, as a person sets them in the settings page.
 * @param settings the `profile` part of Chromium's Preferences file
 */
export async function withProfile(settings, body) {
  const folder = mkdtempSync(join(tmpdir(), 'rolegate-profile-'));
  try {
    mkdirSync(join(folder, 'Default'));
    writeFileSync(join(folder, 'Default', 'Preferences'), JSON.stringify({ profile: settings }));
    const context = await chromium.launchPersistentContext(folder, launchOptions());
    context.setDefaultTimeout(PATIENCE);
    try {
      await body(context);
    } finally {
      await context.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** The name and the password of a built-in user of the dev pool are the same. */
export async function signIn(page, user, password = user) {
  await atLoginPage(page);
  await page.fill(USERNAME, user);
  await page.fill(PASSWORD, password);
  // Enter in the last field is what a form without scripts must understand too.
  await Promise.all([page.waitForNavigation({ timeout: PATIENCE }), page.press(PASSWORD, 'Enter')]);
}

/** Asserts that the page is the pool's login form, on another origin than the gate. */
export async function atLoginPage(page) {
  await page.waitForSelector(USERNAME, { timeout: PATIENCE });
  assert.notEqual(new URL(page.url()).origin, given('GATE'), 'the login form belongs to the pool, not to the gate');
}

/** The text a person reads, in one line. */
export async function text(page) {
  return (await page.innerText('body')).replace(/\s+/g, ' ');
}

/** Asserts that the sample upstream's page shows what the gate sent it. */
export async function showsIdentity(page, user, roles) {
  const seen = await text(page);
  assert.match(seen, new RegExp(`x-user[: ]+${user}\\b`, 'i'), `X-User is ${user} on: ${seen}`);
  assert.match(seen, new RegExp(`x-roles[: ]+${roles}(?![\\w,])`, 'i'), `X-Roles is ${roles} on: ${seen}`);
}

/** The gate's cookies that the browser holds. */
export async function ourCookies(context) {
  return (await context.cookies()).filter((cookie) => OURS.test(cookie.name));
}

/** Keeps a picture of a page for a person to look at. */
export async function picture(page, name) {
  await page.screenshot({ path: join(given('SCREENSHOTS'), `${name}.png`), fullPage: true });
}

/** What every page of the gate owes its reader: a language, a title, one heading, words, and its own style. */
export async function isAProperPage(page, name) {
  await picture(page, name);
  // Asked of the document over the protocol, so that it works without scripts in the page as well.
  assert.ok(await page.getAttribute('html', 'lang'), `${name}: the document says its language`);
  assert.ok((await page.title()).trim(), `${name}: the document has a title`);
  assert.equal(await page.locator('h1').count(), 1, `${name}: one heading`);
  assert.equal(await page.locator('script').count(), 0, `${name}: no script`);
  assert.equal(await page.locator('form').count(), 0, `${name}: no form`);
  assert.equal(await page.locator('meta[name="viewport"]').count(), 1, `${name}: it fits a small screen`);
}

/** Collects what the browser complains about: a style or a link that the page's own policy forbids. */
export function complaints(page) {
  const heard = [];
  page.on('console', (message) => {
    if (/content security policy|refused to/i.test(message.text())) heard.push(message.text());
  });
  page.on('pageerror', (error) => heard.push(String(error)));
  return heard;
}

/**
 * Puts a page of some application at an address, past everything that would answer there: without a policy of its own, so
 * that it may post forms, show frames and fetch.
 */
export async function putPage(context, address, html) {
  await context.route(address, (route) => route.fulfill({ contentType: 'text/html', body: html }));
}

/** Every document request of a page with its answer's status, in order: a redirect is one entry. */
export function documents(page) {
  const seen = [];
  page.on('response', (response) => {
    const request = response.request();
    if (request.resourceType() === 'document' && request.frame() === page.mainFrame()) {
      seen.push({ status: response.status(), url: response.url() });
    }
  });
  return seen;
}

/** For messages: the way a page went. */
export function way(seen) {
  return seen.map(({ status, url }) => `\n  ${status} ${url}`).join('');
}
