// Notifications in the console: a webhook that a receiver of ours takes, one that refuses, dead letters and their replay.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { createServer } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { open, rowsShown, signIn, skip, url } from './browser.mjs';

describe('notifications', { skip }, () => {
  let b;
  let page;
  let receiver;
  let address;
  const got = [];
  let answer = 200;
  const name = `e2e ${Date.now()}`;
  before(async () => {
    receiver = createServer((req, res) => {
      const parts = [];
      req.on('data', (d) => parts.push(d));
      req.on('end', () => {
        got.push({ headers: req.headers, body: Buffer.concat(parts).toString() });
        res.writeHead(answer).end();
      });
    });
    await new Promise((done) => receiver.listen(0, '127.0.0.1', done));
    address = `http://127.0.0.1:${receiver.address().port}/hook-SECRET`;
    b = await open();
    page = b.page;
  });
  after(async () => {
    await b?.close();
    receiver?.close();
  });

  const row = () => page.getByRole('tabpanel').getByRole('listitem').filter({ hasText: name }).first();
  const signed = (r, secret) => {
    const key = Buffer.from(secret.replace('whsec_', ''), 'base64');
    const mac = createHmac('sha256', key).update(`${r.headers['webhook-id']}.${r.headers['webhook-timestamp']}.${r.body}`).digest('base64');
    return r.headers['webhook-signature'].split(' ').includes(`v1,${mac}`);
  };
  let secret;

  test('an address inside is refused in plain words', async () => {
    await page.goto(`${url}/events`);
    await rowsShown(page);
    await page.getByRole('link', { name: 'Notifications' }).click();
    await page.waitForURL(/\/notifications$/);
    await page.getByRole('button', { name: 'New channel' }).click();
    const dialog = page.getByRole('dialog', { name: 'New channel' });
    await dialog.getByRole('button', { name: 'Set up' }).click();
    await dialog.getByText('Say what the channel is for').waitFor();
    await dialog.getByLabel('Name').fill(name);
    await dialog.getByRole('combobox', { name: 'Kind' }).click();
    await page.getByRole('option', { name: 'Webhook' }).click();
    await dialog.getByLabel('Webhook address').fill('https://169.254.169.254/latest/meta-data');
    await dialog.getByRole('button', { name: 'Set up' }).click();
    await dialog.getByRole('alert').getByText(/not on the public Internet/).first().waitFor();
  });

  test('a webhook is set up, its secret shown once, and tested', async () => {
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Webhook address').fill(address);
    await dialog.getByRole('button', { name: 'Set up' }).click();
    await page.getByRole('dialog', { name: 'Keep this secret' }).waitFor();
    secret = (await page.getByTestId('secret').first().textContent()).trim();
    assert.match(secret, /^whsec_/);
    await page.getByRole('button', { name: 'I have kept it' }).click();
    await page.getByRole('button', { name: `Test ${name}` }).click();
    await row().getByText('The test arrived (200).').waitFor();
    assert.equal(got.length, 1);
    assert.ok(signed(got[0], secret), 'the signature does not fit');
    assert.equal(JSON.parse(got[0].body).type, 'channel.test');
    await page.reload();
    await row().waitFor();
    assert.ok(!(await page.content()).includes('SECRET'), 'the address came back');
  });

  test('an export tells of itself', async () => {
    await page.goto(`${url}/events?range=30d`);
    await rowsShown(page);
    await page.getByRole('button', { name: 'Export', exact: true }).click();
    await page.getByRole('dialog', { name: 'Export events' }).getByRole('button', { name: 'Start export' }).click();
    await page.waitForURL(/\/exports/);
    for (let i = 0; i < 300 && !got.some((r) => JSON.parse(r.body).type === 'export.ready'); i++) await page.waitForTimeout(100);
    const ready = got.find((r) => JSON.parse(r.body).type === 'export.ready');
    assert.ok(ready && signed(ready, secret), 'no notification came');
    await page.goto(`${url}/notifications?tab=deliveries`);
    const line = page.getByRole('listitem').filter({ hasText: `Export finished to ${name}` }).first();
    await line.getByText('delivered', { exact: true }).waitFor();
    await line.getByRole('button', { name: /^Attempts/ }).click();
    await page.getByRole('dialog', { name: 'Delivery' }).getByRole('table', { name: 'Attempts' }).getByText('delivered').waitFor();
    await page.keyboard.press('Escape');
  });

  test('a test that is refused says so, and what comes while paused can be replayed', async () => {
    answer = 500;
    await page.goto(`${url}/notifications`);
    await page.getByRole('button', { name: `Test ${name}` }).click();
    await row().getByText(/The test did not arrive: the receiver failed \(500\)/).waitFor();
    await page.getByRole('button', { name: `Pause ${name}` }).click();
    await row().getByText('paused', { exact: true }).waitFor();
    answer = 200;
    const before = got.length;
    await page.goto(`${url}/events?range=30d`);
    await rowsShown(page);
    await page.getByRole('button', { name: 'Export', exact: true }).click();
    await page.getByRole('dialog', { name: 'Export events' }).getByRole('button', { name: 'Start export' }).click();
    await page.waitForURL(/\/exports/);
    await page.goto(`${url}/notifications?tab=dead-letters`);
    const letter = page.getByRole('list', { name: 'Dead letters' }).getByRole('listitem').filter({ hasText: name }).first();
    await letter.waitFor({ timeout: 30000 });
    await letter.getByRole('button', { name: /^Replay/ }).click();
    await letter.getByRole('alert').getByText(/paused/).waitFor();
    await page.getByRole('tab', { name: 'Channels' }).click();
    await page.getByRole('button', { name: `Resume ${name}` }).click();
    await page.getByRole('button', { name: `Pause ${name}` }).waitFor();
    await page.getByRole('tab', { name: /^Dead letters/ }).click();
    await page.getByRole('button', { name: 'Replay all' }).click();
    await letter.waitFor({ state: 'detached' });
    for (let i = 0; i < 100 && got.length === before; i++) await page.waitForTimeout(100);
    assert.equal(got.length, before + 1);
  });

  test('everything is reached with the keyboard', async () => {
    await page.goto(`${url}/notifications`);
    await row().waitFor();
    await page.getByRole('tab', { name: 'Channels' }).focus();
    await page.keyboard.press('ArrowRight');
    await page.waitForURL(/tab=deliveries/);
    await page.keyboard.press('ArrowLeft');
    await page.getByRole('button', { name: 'New channel' }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('dialog', { name: 'New channel' }).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
  });

  test('an auditor sees and may not change', async () => {
    const other = await open({ signedIn: false });
    try {
      await signIn(other.page, process.env.PROBITY_AUDITOR_EMAIL, process.env.PROBITY_AUDITOR_PASSWORD);
      await other.page.goto(`${url}/notifications`);
      await other.page.getByText(name).first().waitFor();
      assert.equal(await other.page.getByRole('button', { name: 'New channel' }).count(), 0);
      assert.equal(await other.page.getByRole('button', { name: `Test ${name}` }).count(), 0);
    } finally {
      await other.close();
    }
  });

  test('a channel is deleted, and a failing server is told of', async () => {
    await page.goto(`${url}/notifications`);
    await page.getByRole('button', { name: `Delete ${name}` }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await row().waitFor({ state: 'detached' });
    await page.route('**/api/notify/channels', (route) => route.fulfill({ status: 503, contentType: 'application/problem+json', body: JSON.stringify({ title: 'Service Unavailable', status: 503, detail: 'the disk is full' }) }));
    await page.reload();
    await page.getByRole('alert').getByText(/disk is full/).first().waitFor({ timeout: 20000 });
    await page.unroute('**/api/notify/channels');
    assert.deepEqual([...new Set(b.problems)], []);
  });
});
