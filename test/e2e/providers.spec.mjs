// Sign-in at an OpenID provider, feature flags, and the rotation of an API key, in the console. The provider is a real one, whose login form is filled in.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { open, skip, url } from './browser.mjs';

const shots = process.env.PROBITY_SHOTS;

describe('providers, flags and keys', { skip }, () => {
  let b;
  let page;
  let provider;
  let issuer;
  const shot = async (p, what) => shots && p.screenshot({ path: `${shots}/${what}.png`, fullPage: true });
  const row = (list, name) => page.getByRole('list', { name: list }).getByRole('listitem').filter({ hasText: name });
  before(async () => {
    provider = spawn('go', ['run', './test/e2e/provider'], { cwd: fileURLToPath(new URL('../..', import.meta.url)), stdio: ['ignore', 'pipe', 'inherit'], detached: true });
    const [line] = await once(provider.stdout, 'data');
    issuer = String(line).trim();
    b = await open();
    page = b.page;
  });
  after(async () => {
    if (provider?.pid) process.kill(-provider.pid); // go run and what it runs
    assert.deepEqual(b?.problems ?? [], []);
    await b?.close();
  });

  test('a provider is entered, and shows the address to return to', async () => {
    await page.goto(`${url}/settings?tab=providers`);
    await page.getByRole('button', { name: 'New provider' }).first().click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('button', { name: 'Save' }).click();
    await dialog.getByText('Enter a name').waitFor();
    await dialog.getByLabel('Name').fill('Zitadel');
    await dialog.getByLabel('Issuer').fill(issuer);
    await dialog.getByLabel('Client id').fill('probity');
    await dialog.getByLabel('Client secret (optional)').fill('secret');
    await dialog.getByLabel('Trusted for the e-mail').fill('zitadel.ch');
    await dialog.getByLabel('Trusted for the e-mail').press('Enter');
    await dialog.getByLabel('Make accounts').check();
    await dialog.getByLabel('Role of new people').click();
    await page.getByRole('option', { name: 'Auditor' }).click();
    await shot(page, 'provider-dialog');
    await dialog.getByRole('button', { name: 'Save' }).click();
    const item = row('Sign-in providers', 'Zitadel');
    await item.waitFor();
    const address = await item.locator('.mono').first().textContent();
    assert.match(address, new RegExp(`^${url}/api/session/oidc/.+/callback$`));
    assert.equal((await fetch(`${issuer}/register`, { method: 'POST', body: new URLSearchParams({ redirect_uri: address }) })).status, 200);
    await shot(page, 'providers');
  });

  test('somebody signs in there and comes back to the page that was asked for', async () => {
    const c = await open({ signedIn: false });
    try {
      const p = c.page;
      await p.goto(`${url}/exports`);
      const button = p.getByRole('link', { name: 'Continue with Zitadel' });
      await button.waitFor();
      await shot(p, 'signin');
      await p.setViewportSize({ width: 390, height: 844 });
      await p.emulateMedia({ colorScheme: 'dark' });
      await shot(p, 'signin-390-dark');
      await button.click();
      await p.getByLabel('Username:').fill('test-user@127.0.0.1');
      await p.getByLabel('Password:').fill('verysecure');
      await p.getByRole('button', { name: 'Login' }).click();
      await p.waitForURL(`${url}/exports`);
      await p.getByRole('heading', { name: 'Exports', exact: true }).waitFor();
      assert.deepEqual(c.problems, []);
    } finally {
      await c.close();
    }
    const d = await open({ signedIn: false });
    try {
      await d.page.goto(`${url}/signin?problem=domain`);
      await d.page.getByText('has not confirmed an e-mail address').waitFor();
    } finally {
      await d.close();
    }
    await page.getByRole('button', { name: 'Remove Zitadel' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
    await page.getByText('No providers').waitFor();
  });

  test('a flag is made, killed and revived', async () => {
    await page.goto(`${url}/settings?tab=flags`);
    await page.getByRole('button', { name: 'New flag' }).first().click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name').fill('scribe.notes');
    await dialog.getByLabel('Description').fill('Notes that the scribe writes');
    await dialog.getByLabel('Owner').fill('Scribe team');
    await dialog.getByLabel('Share of the users').fill('25');
    await dialog.getByLabel('Only users with one of these roles').fill('scribe_user');
    await dialog.getByLabel('Only users with one of these roles').press('Enter');
    await dialog.getByRole('button', { name: 'Save' }).click();
    const item = row('Feature flags', 'scribe.notes');
    await item.getByText('On for 25 % of the users who are scribe_user, off for the others').waitFor();
    await shot(page, 'flags');
    await item.getByRole('button', { name: /^Kill/ }).click();
    await item.getByText('Off for everybody').waitFor();
    await item.getByRole('button', { name: /^Revive/ }).click();
    await item.getByText('On for 25 %').waitFor();
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.setViewportSize({ width: 390, height: 844 });
    await shot(page, 'flags-390-dark');
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 390, 'the page is wider than the screen');
    await page.setViewportSize({ width: 1440, height: 900 });
    await page.emulateMedia({ colorScheme: 'light' });
    await item.getByRole('button', { name: /^Remove/ }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
    await page.getByText('No flags yet').waitFor();
  });

  test('a key is rotated: both secrets work', async () => {
    await page.goto(`${url}/settings?tab=keys`);
    await page.getByRole('button', { name: 'New key' }).first().click();
    const dialog = page.getByRole('dialog');
    const name = `rotated ${Date.now()}`;
    await dialog.getByLabel('Name').fill(name);
    await dialog.getByLabel('Search and read events').check();
    await dialog.getByRole('button', { name: 'Make key' }).click();
    const first = await page.getByTestId('secret').textContent();
    await page.getByRole('button', { name: 'I have kept it' }).click();
    await row('API keys', name).getByRole('button', { name: /^Rotate/ }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Make another secret' }).click();
    const second = await page.getByTestId('secret').textContent();
    await page.getByRole('button', { name: 'I have kept it' }).click();
    await row('API keys', name).getByText(/old secret works until/).waitFor();
    assert.notEqual(first, second);
    for (const key of [first, second]) {
      assert.equal((await fetch(`${url}/api/events?limit=1`, { headers: { Authorization: `Bearer ${key}` } })).status, 200);
    }
    await shot(page, 'keys');
  });

  test('an issuer of tokens must lead to keys', async () => {
    await page.goto(`${url}/settings?tab=issuers`);
    await page.getByRole('button', { name: 'New issuer' }).first().click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name').fill('Login');
    await dialog.getByLabel('Issuer').fill(issuer);
    await dialog.getByLabel('Audience').fill('probity-e2e');
    await dialog.getByLabel('Address of its keys').fill(`${issuer}/nothing`);
    await dialog.getByRole('button', { name: 'Save' }).click();
    await dialog.getByText(/keys cannot be fetched/).waitFor();
    await dialog.getByLabel('Address of its keys').fill(`${issuer}/keys`);
    await shot(page, 'issuer-dialog');
    await dialog.getByRole('button', { name: 'Save' }).click();
    const item = row('Token issuers', 'Login');
    await item.waitFor();
    await shot(page, 'issuers');
    await item.getByRole('button', { name: /^Remove/ }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
    await page.getByText('No issuers').waitFor();
  });
});
