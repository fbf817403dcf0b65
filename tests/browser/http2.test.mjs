// The gate over HTTP/2, in a real browser. Started by a test of tests/suite/http2/clients.rs, with a pool, a gate that
// speaks TLS and an upstream that shows what it received.

import assert from 'node:assert/strict';
import test from 'node:test';
import { chromium } from 'playwright-core';
import { atLoginPage, given, launchOptions, ourCookies, signIn, text } from './browser.mjs';

const gate = (path) => given('GATE') + path;

test('signs_in_over_http_2_and_opens_a_websocket_beside_it', { timeout: 240_000 }, async () => {
  const options = launchOptions();
  // The name is the certificate's, the port the gate's; the authority is one of the tests'.
  options.args.push(`--host-resolver-rules=MAP app.test:443 127.0.0.1:${given('GATE_PORT')}`);
  const browser = await chromium.launch(options);
  try {
    const context = await browser.newContext({ ignoreHTTPSErrors: true });
    context.setDefaultTimeout(60_000);
    const page = await context.newPage();
    const target = gate('/reports/q3?x=1&y=a%2Fb');
    await page.goto(target);
    await atLoginPage(page);
    await signIn(page, 'viewer');
    assert.equal(page.url(), target);
    assert.match(await text(page), /"x-user", ?"viewer"/i);
    const cookies = await ourCookies(context);
    assert.ok(cookies.length > 0 && cookies.every((cookie) => cookie.name.startsWith('__Host-') && cookie.secure));

    const hop = () => performance.getEntriesByType('navigation')[0].nextHopProtocol;
    assert.equal(await page.evaluate(hop), 'h2');
    const parts = await page.evaluate(async () => {
      const part = (number) => fetch(`/part/${number}`, number % 2 ? { method: 'POST', body: 'x'.repeat(100_000) } : {});
      const answers = await Promise.all(Array.from({ length: 50 }, (_, number) => part(number)));
      return answers.map((answer) => answer.status);
    });
    assert.deepEqual(new Set(parts), new Set([200]));
    const echoed = await page.evaluate(() => new Promise((resolve, reject) => {
      const socket = new WebSocket('wss://app.test/ws');
      socket.onopen = () => socket.send('hello');
      socket.onmessage = (message) => resolve(message.data);
      socket.onerror = () => reject(new Error('no WebSocket'));
    }));
    assert.equal(echoed, 'hello');

    await page.goto(gate('/oauth2/signout'));
    assert.equal((await ourCookies(context)).length, 0);
    await page.goto(target);
    await atLoginPage(page);
  } finally {
    await browser.close();
  }
});
