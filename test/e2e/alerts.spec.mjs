// Alerts and streams in the console: a rule with its preview, an alert that fires, its acknowledgement, muting, the live view, and a stream that catches up.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { open, rowsShown, signIn, skip, url } from './browser.mjs';

describe('alerts and streams', { skip }, () => {
  let b;
  let page;
  let receiver;
  let address;
  let answer = 200;
  const got = [];
  const stamp = Date.now();
  const name = `e2e doors ${stamp}`;
  before(async () => {
    receiver = createServer((req, res) => {
      const parts = [];
      req.on('data', (d) => parts.push(d));
      req.on('end', () => {
        if (answer === 200) got.push(JSON.parse(Buffer.concat(parts).toString()));
        res.writeHead(answer).end();
      });
    });
    await new Promise((done) => receiver.listen(0, '127.0.0.1', done));
    address = `http://127.0.0.1:${receiver.address().port}/stream-SECRET`;
    b = await open();
    page = b.page;
  });
  after(async () => {
    await b?.close();
    receiver?.close();
  });

  const send = async (n) => {
    for (let i = 0; i < n; i++) {
      const res = await fetch(`${url}/api/events`, {
        method: 'POST', headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${process.env.PROBITY_API_KEY}` },
        body: JSON.stringify({ source: 'gate', action: `gate${stamp}.enter`, outcome: { status: 'denied' }, actor: { type: 'user', id: 'u-e2e', name: 'Edda Gate' }, resource: { type: 'door', id: `d-${i % 3}` } }),
      });
      assert.equal(res.status, 201, await res.text());
    }
  };
  const rule = () => page.getByRole('list', { name: 'Alert rules' }).getByRole('listitem').filter({ hasText: name });

  test('a rule is written, previewed and saved', async () => {
    await page.goto(`${url}/events`);
    await rowsShown(page);
    await send(3);
    await page.getByRole('link', { name: 'Alerts' }).click();
    await page.waitForURL(/\/alerts$/);
    await page.getByRole('tab', { name: 'Rules' }).click();
    await page.getByRole('button', { name: 'New rule' }).click();
    const dialog = page.getByRole('dialog', { name: 'New rule' });
    await dialog.getByRole('button', { name: 'Watch for it' }).click();
    await dialog.getByText('Say what the rule is for').waitFor();
    await dialog.getByRole('textbox', { name: 'Name' }).fill(name);
    await dialog.getByLabel('Action', { exact: true }).first().fill(`gate${stamp}.*`);
    await page.keyboard.press('Enter');
    await dialog.getByLabel('More than').fill('2');
    await dialog.getByRole('button', { name: 'Preview' }).click();
    await dialog.getByText(/It would have fired once in the last 7 days; the filter\s+selects 3 events/).waitFor();
    await dialog.getByLabel('More than').fill('5');
    await dialog.getByRole('button', { name: 'Preview' }).click();
    await dialog.getByText('It would not have fired').waitFor();
    await dialog.getByRole('button', { name: 'Watch for it' }).click();
    await rule().getByText('More than 5 by one actor within 5 min').waitFor();
  });

  test('a stream that fails is shown, and catches up', async () => {
    await page.getByRole('link', { name: 'Streams' }).click();
    await page.getByRole('button', { name: 'New stream' }).click();
    const dialog = page.getByRole('dialog', { name: 'New stream' });
    await dialog.getByLabel('Name').fill(name);
    await dialog.getByLabel('Webhook address').fill(address);
    await dialog.getByLabel('Actions', { exact: true }).first().fill(`gate${stamp}.*`);
    await page.keyboard.press('Enter');
    await dialog.getByRole('button', { name: 'Set up' }).click();
    await page.getByRole('dialog', { name: 'Keep this secret' }).waitFor();
    await page.getByRole('button', { name: 'I have kept it' }).click();
    const row = page.getByRole('list', { name: 'Streams' }).getByRole('listitem').filter({ hasText: name });
    await page.getByRole('button', { name: `Test ${name}` }).click();
    await row.getByText('The receiver took the test.').waitFor();
    answer = 500;
    await page.getByRole('button', { name: `Test ${name}` }).click();
    await row.getByText('The receiver did not take the test: the receiver failed.').waitFor();
    await page.getByRole('button', { name: `Pause ${name}` }).click();
    await row.getByText('paused', { exact: true }).waitFor();
    await send(4);
    answer = 200;
    await page.getByRole('button', { name: `Resume ${name}` }).click();
    const seqs = () => got.flatMap((g) => g.data.events).filter((e) => e.seq !== undefined).map((e) => e.seq);
    for (let i = 0; i < 100 && seqs().length < 4; i++) await page.waitForTimeout(100);
    assert.equal(seqs().length, 4);
    await page.getByRole('button', { name: `Send again from… ${name}` }).click();
    await page.getByRole('dialog').getByLabel('From event').fill(String(seqs()[2]));
    await page.getByRole('dialog').getByRole('button', { name: 'Send from there' }).click();
    for (let i = 0; i < 100 && seqs().length < 6; i++) await page.waitForTimeout(100);
    assert.deepEqual(seqs().slice(4), seqs().slice(2, 4));
    assert.ok(!(await page.content()).includes('SECRET'), 'the address came back');
    await page.getByRole('button', { name: `Delete ${name}` }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await row.waitFor({ state: 'detached' });
  });

  test('an alert fires, is followed to its events, and acknowledged', async () => {
    await page.goto(`${url}/alerts`);
    await page.getByRole('tabpanel').waitFor();
    const row = page.getByRole('list', { name: 'Alerts' }).getByRole('listitem').filter({ hasText: name });
    await row.getByText('Edda Gate').waitFor({ timeout: 30000 });
    await row.getByText('firing').waitFor();
    await row.getByRole('button', { name: /^Show/ }).click();
    await page.waitForURL(/alert=/);
    const dialog = page.getByRole('dialog', { name });
    await dialog.getByLabel('Note').fill('the badge was lost');
    await dialog.getByRole('button', { name: 'Acknowledge' }).click();
    await dialog.getByText(/Acknowledged by .* the badge was lost/).waitFor();
    await dialog.getByRole('link', { name: /^\d+$/ }).first().click();
    await page.waitForURL(/\/events\/\d+/);
    await page.getByText(`gate${stamp}.enter`).first().waitFor();
    await page.goBack();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await page.getByText('Acknowledged', { exact: true }).click();
    await row.waitFor();
  });

  test('the live view shows who is busy', async () => {
    await page.getByRole('tab', { name: 'Live' }).click();
    await page.waitForURL(/tab=live/);
    await page.getByText('Events a second (live)').waitFor();
    await send(1);
    await page.getByRole('region', { name: 'Failed and denied' }).or(page.getByText('Failed and denied, as it happens')).first().waitFor();
    await page.getByRole('link', { name: /Edda Gate/ }).first().waitFor();
  });

  test('a rule is muted, disabled and deleted with the keyboard', async () => {
    await page.goto(`${url}/alerts?tab=rules`);
    await rule().waitFor();
    const press = async (label) => {
      await page.getByRole('button', { name: `${label} ${name}` }).focus();
      await page.keyboard.press('Enter');
    };
    await press('Mute for an hour');
    await rule().getByText('muted', { exact: true }).waitFor();
    await press('Unmute');
    await press('Disable');
    await rule().getByText('disabled').waitFor();
    await press('Delete');
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await rule().waitFor({ state: 'detached' });
  });

  test('an auditor sees and may not change', async () => {
    const other = await open({ signedIn: false });
    try {
      await signIn(other.page, process.env.PROBITY_AUDITOR_EMAIL, process.env.PROBITY_AUDITOR_PASSWORD);
      await other.page.goto(`${url}/alerts`);
      await other.page.getByText(name).first().waitFor();
      assert.ok(!(await other.page.content()).includes('Edda Gate'), 'an auditor sees the name');
      await other.page.goto(`${url}/alerts?tab=rules`);
      await other.page.getByRole('tabpanel').waitFor();
      assert.equal(await other.page.getByRole('button', { name: 'New rule' }).count(), 0);
      await other.page.goto(`${url}/streams`);
      await other.page.getByRole('heading', { name: 'Streams' }).waitFor();
      assert.equal(await other.page.getByRole('button', { name: 'New stream' }).count(), 0);
    } finally {
      await other.close();
    }
  });

  test('a failing server is told of', async () => {
    const failing = (route) => route.fulfill({ status: 503, contentType: 'application/problem+json', body: JSON.stringify({ title: 'Service Unavailable', status: 503, detail: 'the disk is full' }) });
    for (const [path, api] of [['/alerts', '**/api/alerts?*'], ['/alerts?tab=rules', '**/api/alert-rules'], ['/streams', '**/api/notify/streams']]) {
      await page.route(api, failing);
      await page.goto(`${url}${path}`);
      await page.getByRole('alert').getByText(/disk is full/).first().waitFor({ timeout: 20000 });
      await page.unroute(api);
    }
    assert.deepEqual([...new Set(b.problems)], []);
  });
});
