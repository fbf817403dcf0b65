// The gate's pages as people have them: wide and narrow, light and dark, large letters, another language, a keyboard, a
// screen reader, no scripts. Started by its namesakes in tests/suite/browser.rs, whose gate has no upstream that answers.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import test from 'node:test';
import {
  atLoginPage,
  complaints,
  given,
  isAProperPage,
  picture,
  putPage,
  signIn,
  text,
  withBrowser,
} from './browser.mjs';

const LIMIT = { timeout: 240_000 };
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const gate = (path) => given('GATE') + path;

const DESK = { width: 1280, height: 800 };
const PHONE = { width: 375, height: 667 };
const LANGUAGES = { en: 'en-GB', de: 'de-AT', fr: 'fr-CA', es: 'es-419', ja: 'ja-JP' };

/** What each page says first, in each language. */
const HEADINGS = {
  'sign-in': ['Please sign in', 'Bitte melden Sie sich an', 'Veuillez vous connecter', 'Inicie sesión', 'サインインしてください'],
  'not-found': ['There is no such page', 'Diese Seite gibt es nicht', 'Cette page n’existe pas', 'Esta página no existe', 'ページが見つかりません'],
  'no-single-meaning': ['no single meaning', 'nicht eindeutig', 'sens unique', 'significado único', '意味は一つに定まりません'],
  'bad-return': ['could not be finished', 'konnte nicht abgeschlossen werden', 'n’a pas pu être terminée', 'No se pudo completar', 'サインインを完了できませんでした'],
  'pool-said': ['The sign-in was refused', 'wurde abgelehnt', 'a été refusée', 'Se rechazó', '拒否されました'],
  'cookies-off': ['sign-in cookie', 'Cookie der Anmeldung', 'cookie de connexion', 'cookie de inicio', 'サインイン用の Cookie'],
  'upstream-gone': ['cannot be reached', 'nicht erreichbar', 'injoignable', 'No se puede acceder', '接続できません'],
  'on-the-way': ['Signing in', 'Anmeldung läuft', 'Connexion en cours', 'Iniciando sesión', 'サインイン画面に移動します'],
  'signed-out': ['You are signed out', 'Sie sind abgemeldet', 'Vous êtes déconnecté', 'Ha cerrado la sesión', 'サインアウトしました'],
  forbidden: ['You may not see this', 'Sie haben hier keinen Zugriff', 'pas accès', 'No tiene acceso', '権限がありません'],
  userinfo: ['You are signed in', 'Sie sind angemeldet', 'Vous êtes connecté', 'Ha iniciado sesión', 'サインイン済みです'],
  'sign-out': ['You are signed in', 'Sie sind angemeldet', 'Vous êtes connecté', 'Ha iniciado sesión', 'サインイン済みです'],
};

/** Pages for whoever is not signed in, and how one gets there. */
const OUTSIDE = [
  ['sign-in', 401, '/oauth2/userinfo'],
  ['not-found', 404, '/oauth2/nothing-here'],
  ['no-single-meaning', 400, '/a%2fb'],
  ['bad-return', 400, '/oauth2/callback?state=a&state=b'],
  ['cookies-off', 400, `/oauth2/callback?code=c&state=r${'A'.repeat(22)}`],
  ['upstream-gone', 502, '/public/anything'],
  ['signed-out', 200, '/oauth2/signout'],
];
/** Pages for viewer. */
const INSIDE = [
  ['forbidden', 403, '/admin'],
  ['userinfo', 200, '/oauth2/userinfo'],
];

async function open(page, [name, status, path], language) {
  const answer = await page.goto(gate(path));
  assert.equal(answer.status(), status, `${name}: ${path}`);
  assert.equal(answer.headers()['content-language'], language, name);
  await speaks(page, name, language);
}

async function speaks(page, name, language) {
  assert.equal(await page.getAttribute('html', 'lang'), language, name);
  const heading = await page.innerText('h1');
  const expected = HEADINGS[name][Object.keys(LANGUAGES).indexOf(language)];
  assert.ok(heading.includes(expected), `${name} in ${language}: ${heading}`);
}

/** What axe finds wrong, by every rule that it has but experiments, old ones, and those of level AAA. */
async function violations(page) {
  if (!(await page.evaluate('typeof axe !== "undefined"'))) await page.evaluate(AXE);
  return page.evaluate(async () => {
    const left = ['experimental', 'deprecated', 'wcag2aaa'];
    const wanted = axe.getRules().filter(({ tags }) => !tags.some((tag) => left.includes(tag)));
    const rules = Object.fromEntries(wanted.map(({ ruleId }) => [ruleId, { enabled: true }]));
    const { violations } = await axe.run(document, { rules, resultTypes: ['violations'] });
    return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).join(' ')}`);
  });
}

const isWider = (page) => page.evaluate(() => document.documentElement.scrollWidth > innerWidth);

const SIZES = { desk: DESK, phone: PHONE };
const EVERY_LOOK = ['desk light', 'desk dark', 'phone light', 'phone dark'];

/** The page that is open, at these widths and in these schemes, as axe sees it. */
async function judge(page, name, language, looks) {
  const where = `${name} in ${language}`;
  for (const [size, colorScheme] of looks.map((look) => look.split(' '))) {
    await page.setViewportSize(SIZES[size]);
    await page.emulateMedia({ colorScheme });
    assert.deepEqual(await violations(page), [], `${where}, ${size}, ${colorScheme}`);
    assert.ok(!(await isWider(page)), `${where}, ${size}: nothing to scroll sideways`);
    await picture(page, `${name}-${language}-${size}-${colorScheme}`);
  }
}

/** What else people do to a page. */
async function use(page, name, language) {
  const where = `${name} in ${language}`;
  await isAProperPage(page, `${name}-${language}`);
  // The narrowest that WCAG 2.2 asks for (1.4.10), and letters twice as large (1.4.4).
  await page.setViewportSize({ width: 320, height: 640 });
  assert.ok(!(await isWider(page)), `${where}: nothing to scroll sideways at 320 pixels`);
  await page.evaluate(() => (document.documentElement.style.fontSize = '200%'));
  for (const viewport of [PHONE, DESK]) {
    await page.setViewportSize(viewport);
    assert.ok(!(await isWider(page)), `${where}: nor with large letters at ${viewport.width}`);
  }
  await picture(page, `${name}-${language}-large`);
  await page.evaluate(() => (document.documentElement.style.fontSize = ''));
  await canBeUsedWithKeys(page, where);
  await keepsItsFrameInForcedColours(page, where);
}

async function canBeUsedWithKeys(page, where) {
  const links = await page.locator('a').count();
  assert.ok(links >= 1, `${where}: there is a way out`);
  await page.evaluate(() => document.activeElement?.blur());
  for (let index = 0; index < links; index += 1) {
    await page.keyboard.press('Tab');
    const { isLink, width, style } = await page.evaluate(() => {
      const focus = document.activeElement;
      const { outlineWidth, outlineStyle } = getComputedStyle(focus);
      return { isLink: focus.localName === 'a', width: parseFloat(outlineWidth), style: outlineStyle };
    });
    assert.ok(isLink, `${where}: Tab leads to link ${index}`);
    assert.ok(width >= 2 && style === 'solid', `${where}: one sees where one is: ${width}px ${style}`);
  }
}

async function keepsItsFrameInForcedColours(page, where) {
  await page.emulateMedia({ forcedColors: 'active' });
  for (const link of await page.locator('a').all()) {
    const { color, back, line } = await link.evaluate((node) => {
      const { color, backgroundColor, borderTopColor, borderTopStyle } = getComputedStyle(node);
      return { color, back: backgroundColor, line: `${borderTopStyle} ${borderTopColor}` };
    });
    assert.notEqual(color, back, `${where}: a link is readable in forced colours`);
    assert.ok(line.startsWith('solid') && !line.endsWith(back), `${where}: and has its frame: ${line}`);
  }
  await page.emulateMedia({ forcedColors: 'none' });
}

/** Goes to every page in this language, and does `look` there. */
async function everyPage(language, look) {
  await withBrowser({ locale: LANGUAGES[language] }, async (context) => {
    const page = await context.newPage();
    const heard = complaints(page);
    for (const kind of OUTSIDE) {
      await open(page, kind, language);
      await look(page, kind[0]);
    }
    // The page that stands for a redirect goes on by itself, so its script is taken out to see it.
    await context.route(gate('/app'), async (route) => {
      const answer = await route.fetch();
      const body = (await answer.text()).replace(/<script>.*<\/script>/s, '');
      await route.fulfill({ response: answer, body });
    });
    await open(page, ['on-the-way', 200, '/app'], language);
    await look(page, 'on-the-way');
    await page.locator('a').click();
    await atLoginPage(page);

    // The person, or the pool, says no at the end of this very login.
    const login = new URL(page.url());
    const said = `error=access_denied&error_description=%3Cb%3EBadge%3C%2Fb%3E&state=${login.searchParams.get('state')}`;
    await open(page, ['pool-said', 403, `/oauth2/callback?${said}`], language);
    assert.match(await text(page), /<b>Badge<\/b> \(access_denied\)/, 'what the pool said is quoted as text');
    await look(page, 'pool-said');

    await page.goto(gate('/oauth2/start'));
    await signIn(page, 'viewer');
    await page.waitForURL(gate('/'));
    for (const kind of INSIDE) {
      await open(page, kind, language);
      assert.match(await text(page), /\bviewer\b/, kind[0]);
      await look(page, kind[0]);
    }
    // Only from elsewhere does a link to the sign-out ask first.
    await putPage(context, `${login.origin}/elsewhere`, `<a id="trap" href="${gate('/oauth2/signout')}">a picture</a>`);
    await page.goto(`${login.origin}/elsewhere`);
    await Promise.all([page.waitForURL(gate('/oauth2/signout')), page.click('#trap')]);
    await speaks(page, 'sign-out', language);
    await look(page, 'sign-out');
    assert.deepEqual(heard, [], 'the pages keep their own policy');
  });
}

test('every_page_passes_axe_wide_and_narrow_light_and_dark', LIMIT, async () => {
  await everyPage('en', async (page, name) => {
    await judge(page, name, 'en', EVERY_LOOK);
    await use(page, name, 'en');
  });
});

test('every_page_passes_axe_in_the_other_languages', LIMIT, async () => {
  // German has the longest words, and Japanese has none that end at blanks.
  await everyPage('de', (page, name) => judge(page, name, 'de', ['desk dark', 'phone light']));
  // Of the others those that most people see; what the rest of them says is held against the headings above.
  for (const language of ['fr', 'es', 'ja']) {
    await everyPage(language, async (page, name) => {
      if (['forbidden', 'signed-out'].includes(name)) await judge(page, name, language, ['phone dark', 'desk light']);
    });
  }
  // Any other is English.
  await withBrowser({ locale: 'nl-NL' }, async (context) => {
    const page = await context.newPage();
    for (const kind of OUTSIDE) await open(page, kind, 'en');
  });
});

test('each_pages_first_link_leads_on_without_scripts', LIMIT, async () => {
  await withBrowser({ javaScriptEnabled: false, locale: LANGUAGES.de }, async (context) => {
    const page = await context.newPage();
    const follow = async (kind) => {
      await context.clearCookies();
      await open(page, kind, 'de');
      const link = page.locator('a.first');
      const href = new URL(await link.getAttribute('href'), page.url());
      assert.equal(href.origin, given('GATE'), kind[0]);
      await Promise.all([page.waitForNavigation(), link.click()]);
    };
    for (const kind of OUTSIDE.filter(([name]) => name !== 'upstream-gone')) {
      await follow(kind);
      await atLoginPage(page);
    }
    await follow(OUTSIDE.find(([name]) => name === 'upstream-gone'));
    await speaks(page, 'upstream-gone', 'de');

    await page.goto(gate('/oauth2/start'));
    await signIn(page, 'viewer');
    await page.waitForURL(gate('/'));
    for (const kind of INSIDE) await open(page, kind, 'de');
    await page.getByRole('link', { name: 'Abmelden' }).click();
    await speaks(page, 'signed-out', 'de');
    assert.equal(await page.innerText('a.first'), 'Erneut anmelden');
  });
});
