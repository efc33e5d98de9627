// Second factors, step-up and sessions with Chromium's virtual authenticator. Passkeys need PROBITY_URL to be the server's public-url, by name (http://localhost:PORT will do).
// A user of its own is made and left behind locked, since what is recorded of a user stays.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { AxeBuilder } from '@axe-core/playwright';
import { email, open, password, signIn, skip as notReady, url } from './browser.mjs';

const skip = notReady || (new URL(url).hostname === 'localhost' || url.startsWith('https:') ? false : 'PROBITY_URL must be a name that allows passkeys');
const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const secret = 'a-long-passphrase-for-tests-1';
const shots = process.env.SHOTS;

async function clean(page, what) {
  await page.waitForTimeout(300);
  const { violations } = await new AxeBuilder({ page }).withTags(tags).analyze();
  assert.deepEqual(violations.flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.target.join(' ')} ${n.any[0]?.message ?? ''}`)), [], what);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(overflow <= 0, `${what}: the page is ${overflow} px wider than the screen`);
  if (shots) await page.screenshot({ path: `${shots}/${what.replace(/[^a-z0-9]+/gi, '-')}.png` });
}

/** The code of an authenticator app (RFC 6238). */
function totp(key, at = Date.now()) {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  const bits = [...key].map((c) => alphabet.indexOf(c).toString(2).padStart(5, '0')).join('');
  const raw = Buffer.from(bits.match(/.{8}/g).map((b) => parseInt(b, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(at / 30000)));
  const mac = createHmac('sha1', raw).update(step).digest();
  const from = mac[19] & 15;
  return String((mac.readUInt32BE(from) & 0x7fffffff) % 1000000).padStart(6, '0');
}

async function authenticator(page) {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('WebAuthn.enable');
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', {
    options: { protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true },
  });
  return { cdp, authenticatorId };
}

const typed = async (page, who, what) => {
  await page.goto(`${url}/signin`);
  await page.getByLabel('E-mail').fill(who);
  await page.getByLabel('Password', { exact: true }).fill(what);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
};
const arrived = (page) => page.getByRole('heading', { name: 'Audit log' }).waitFor();
const leave = (page) => page.context().clearCookies();

/** Does something with the API in the page, as the console does. */
const call = (page, method, path, body) =>
  page.evaluate(async ([m, p, b]) => {
    const session = await (await fetch('/api/session')).json();
    const r = await fetch(p, { method: m, headers: { 'Content-Type': 'application/json', 'X-CSRF-Token': session.csrf_token }, ...(b ? { body: JSON.stringify(b) } : {}) });
    return { status: r.status, body: r.status === 204 ? null : await r.json() };
  }, [method, path, body]);

describe('account security', { skip }, () => {
  let b;
  let page;
  let key;
  let codes;
  let user;
  const who = `ana-${Date.now()}@example.com`;
  before(async () => {
    b = await open();
    page = b.page;
    user = (await call(page, 'POST', '/api/users', { email: who, name: 'Ana Lima', role: 'auditor', password: secret })).body;
    await leave(page);
    await authenticator(page);
  });
  after(async () => b?.close());

  test('an authenticator app is set up and signs in in two steps', async () => {
    await signIn(page, who, secret);
    await page.goto(`${url}/account`);
    await page.getByRole('heading', { name: 'Account security' }).waitFor();
    await clean(page, 'account without factors');
    await page.getByRole('button', { name: 'Add', exact: true }).click();
    const dialog = page.getByRole('dialog', { name: 'Add a second factor' });
    await dialog.getByLabel('Authenticator app').check();
    await dialog.getByLabel('Name').fill('Phone');
    await clean(page, 'choosing a factor');
    await dialog.getByRole('button', { name: 'Set up' }).click();
    key = await dialog.getByTestId('totp-key').innerText();
    await clean(page, 'the QR code');
    await dialog.getByLabel('Code', { exact: true }).fill('000000');
    await dialog.getByRole('button', { name: 'Confirm' }).click();
    await dialog.getByRole('alert').waitFor();
    await dialog.getByLabel('Code', { exact: true }).fill(totp(key));
    await dialog.getByRole('button', { name: 'Confirm' }).click();
    const list = page.getByRole('list', { name: 'Recovery codes' });
    await list.waitFor();
    codes = await list.getByRole('listitem').allInnerTexts();
    assert.equal(codes.length, 10);
    await clean(page, 'the recovery codes');
    await page.getByRole('button', { name: 'I have kept them' }).click();
    await page.getByText('10 of 10 recovery codes left').waitFor();

    await leave(page);
    await typed(page, who, secret);
    await page.getByRole('heading', { name: 'One more step' }).waitFor();
    await clean(page, 'the second step');
    await page.getByLabel('Code', { exact: true }).fill('000000');
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.getByRole('alert').waitFor();
    await page.getByLabel('Code', { exact: true }).fill(codes[0]);
    await page.keyboard.press('Enter');
    await arrived(page);
    assert.equal((await call(page, 'GET', '/api/session/factors')).body.recovery_codes, 9);
  });

  test('a passkey is set up, is the second step, and signs in alone', async () => {
    await page.goto(`${url}/account`);
    await page.getByRole('button', { name: 'Add', exact: true }).click();
    const dialog = page.getByRole('dialog', { name: 'Add a second factor' });
    await dialog.getByLabel('Name').fill('This laptop');
    await dialog.getByRole('button', { name: 'Set up' }).click();
    await page.getByRole('list', { name: 'Factors' }).getByText('This laptop').waitFor();
    await clean(page, 'account with factors');

    await leave(page);
    await typed(page, who, secret);
    await page.getByRole('button', { name: 'Use a passkey' }).click();
    await arrived(page);
    await leave(page);
    await page.goto(`${url}/signin`);
    await clean(page, 'signing in');
    await page.getByRole('button', { name: 'Use a passkey' }).click();
    await arrived(page);
    assert.equal((await call(page, 'GET', '/api/session')).body.user.email, who);
  });

  test('an answer of a passkey counts once', async () => {
    const sent = page.waitForRequest((r) => r.url().endsWith('/api/session/passkey') && r.method() === 'POST');
    await leave(page);
    await page.goto(`${url}/signin`);
    await page.getByRole('button', { name: 'Use a passkey' }).click();
    const body = (await sent).postData();
    await arrived(page);
    const again = await fetch(`${url}/api/session/passkey`, { method: 'POST', body, headers: { 'Content-Type': 'application/json', Origin: url } });
    assert.equal(again.status, 401);
  });

  test('what is grave asks for a proof, and goes on by itself', async () => {
    await page.goto(`${url}/account`);
    // As if the proof had grown old: the server is asked for real once it is given.
    let refused = 0;
    await page.route('**/api/session/recovery-codes', async (route) => {
      if (refused++ > 0) return route.continue();
      return route.fulfill({ status: 401, contentType: 'application/problem+json', body: JSON.stringify({ type: '/api/docs#problem-step_up_required', title: 'Prove who you are', status: 401, ways: ['passkey', 'totp', 'recovery_code'] }) });
    });
    await page.getByRole('button', { name: 'New recovery codes' }).click();
    const dialog = page.getByRole('dialog', { name: 'Prove that it is you' });
    await dialog.getByRole('button', { name: 'Use a passkey' }).waitFor();
    await clean(page, 'step-up');
    await dialog.getByRole('button', { name: 'Use a passkey' }).click();
    await page.getByRole('list', { name: 'Recovery codes' }).waitFor();
    await page.getByRole('button', { name: 'I have kept them' }).click();
    assert.equal(refused, 2);
    await page.unroute('**/api/session/recovery-codes');
  });

  test('sessions are listed and ended', async () => {
    const other = await open({ signedIn: false });
    try {
      await authenticator(other.page);
      await typed(other.page, who, secret);
      await other.page.getByLabel('Code', { exact: true }).fill(codes[1]);
      await other.page.getByRole('button', { name: 'Sign in', exact: true }).click();
      await other.page.getByRole('alert').waitFor(); // replaced meanwhile
      codes = (await call(page, 'POST', '/api/session/recovery-codes')).body.recovery_codes;
      await other.page.getByLabel('Code', { exact: true }).fill(codes[0]);
      await other.page.getByRole('button', { name: 'Sign in', exact: true }).click();
      await arrived(other.page);
      await page.goto(`${url}/account`);
      const list = page.getByRole('list', { name: 'Sessions' });
      await list.getByText('this one').waitFor();
      await page.getByRole('button', { name: 'End all others' }).click();
      await page.getByRole('button', { name: 'End all others' }).waitFor({ state: 'detached' });
      assert.equal(await list.getByRole('listitem').count(), 1);
      await other.page.goto(`${url}/exports`);
      await other.page.getByRole('heading', { name: 'Sign in' }).waitFor();
      for (const [scheme, width, height] of [['dark', 390, 844], ['light', 390, 844], ['dark', 1440, 900]]) {
        await page.emulateMedia({ colorScheme: scheme });
        await page.setViewportSize({ width, height });
        await clean(page, `account ${scheme} ${width}`);
      }
      await page.emulateMedia({ colorScheme: 'light' });
      await page.setViewportSize({ width: 1440, height: 900 });
    } finally {
      await other.close();
    }
  });

  test('an administrator locks the account from an entry of the log', async () => {
    const admin = await open({ signedIn: false });
    try {
      const p = admin.page;
      await signIn(p, email, password);
      const found = await call(p, 'GET', `/api/events?action=session.login&actor=${encodeURIComponent(user.id)}&limit=1`);
      const seq = found.body.items[0].seq;
      await p.goto(`${url}/events?range=30d&event=${seq}`);
      await p.getByRole('button', { name: 'Lock this account' }).click();
      const dialog = p.getByRole('dialog', { name: /^Lock the account of/ });
      await dialog.getByLabel('Reason').fill('Seen at night from a strange place');
      await clean(p, 'locking');
      await dialog.getByRole('button', { name: 'Lock the account' }).click();
      await dialog.waitFor({ state: 'detached' });
      await page.goto(`${url}/exports`);
      await page.getByRole('heading', { name: 'Sign in' }).waitFor();
      const event = (await call(p, 'GET', '/api/events?action=user.lock&limit=1')).body.items[0];
      await p.goto(`${url}/events/${event.seq}`);
      await p.getByRole('link', { name: `event ${seq}` }).waitFor();
      await p.goto(`${url}/settings?tab=users`);
      await p.getByRole('list', { name: 'Users' }).getByText('locked').first().waitFor();
      await p.getByRole('button', { name: 'Second factor' }).click();
      await p.getByRole('dialog', { name: 'Second factor' }).getByLabel('Everybody', { exact: true }).waitFor();
      await clean(p, 'who must have a second factor');
    } finally {
      await admin.close();
    }
    assert.deepEqual(b.problems, []);
  });
});
