// What a person does in the console, in a real browser against a running server that holds events.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { email, open, rowsShown, signIn, skip, url } from './browser.mjs';

describe('console', { skip }, () => {
  let b;
  let page;
  before(async () => {
    b = await open();
    page = b.page;
  });
  after(async () => b?.close());

  const grid = () => page.getByRole('grid', { name: 'Events' });
  const firstRow = () => page.locator('[role="row"][aria-rowindex="2"]');

  test('wrong password is refused in plain words', async () => {
    const other = await open({ signedIn: false });
    try {
      await other.page.goto(`${url}/exports`);
      await other.page.waitForURL(/\/signin\?next=\/exports/);
      await other.page.getByLabel('E-mail').fill(email);
      await other.page.getByLabel('Password', { exact: true }).fill('not the password, surely');
      await other.page.getByRole('button', { name: 'Sign in' }).click();
      await other.page.getByRole('alert').getByText('do not belong together').waitFor();
      assert.equal(await other.page.getByLabel('Password', { exact: true }).inputValue(), '');
    } finally {
      await other.close();
    }
  });

  test('filters live in the address, and the address restores them', async () => {
    await page.goto(`${url}/events?range=all&outcome=failure`);
    await rowsShown(page);
    await page.getByRole('list', { name: 'Active filters' }).getByText('failure').waitFor();
    const outcomes = await page.locator('[role="gridcell"] [data-status]').evaluateAll((all) => [...new Set(all.map((e) => e.dataset.status))]);
    assert.deepEqual(outcomes, ['failure']);
    await page.getByRole('button', { name: /Remove filter Outcome/ }).click();
    await page.waitForURL((u) => !u.searchParams.has('outcome'));
    await page.goBack();
    await page.getByRole('list', { name: 'Active filters' }).getByText('failure').waitFor();
  });

  test('a person is found by part of a name and filtered by handle', async () => {
    await page.goto(`${url}/events?range=all`);
    await rowsShown(page);
    const who = await page.locator('[role="gridcell"][aria-colindex="3"]').evaluateAll((all) => all.map((e) => e.textContent?.trim() ?? '').find((t) => /^\p{Lu}\p{Ll}{3,} \p{Lu}/u.test(t)));
    await page.getByRole('button', { name: 'Actor' }).click();
    await page.getByLabel('Who did it').fill(who.slice(0, who.length - 2));
    await page.getByRole('option').filter({ hasText: who }).first().click();
    await page.waitForURL(/actor=handle:\d+/);
    assert.ok(!page.url().includes(encodeURIComponent(who.split(' ')[1])), 'the name is in the address');
    await page.keyboard.press('Escape');
    await rowsShown(page);
    await page.getByRole('list', { name: 'Active filters' }).getByText(who).waitFor();
  });

  test('keys walk through the list', async () => {
    // Not all events: that an admin looks at values as they are is an event too, which comes in on top.
    await page.goto(`${url}/events?range=all&action=*.update`);
    await rowsShown(page);
    await grid().focus();
    await page.keyboard.press('j');
    await page.keyboard.press('j');
    await page.keyboard.press('k');
    const active = await grid().getAttribute('aria-activedescendant');
    assert.equal(active, await firstRow().getAttribute('id'));
    await page.keyboard.press('Enter');
    const panel = page.getByRole('complementary', { name: /^Event \d+/ });
    await panel.getByRole('heading').first().waitFor();
    await page.keyboard.press('j');
    await page.waitForFunction((old) => document.querySelector('[role="grid"]')?.getAttribute('aria-activedescendant') !== old, active);
    await page.keyboard.press('Escape');
    await panel.waitFor({ state: 'detached' });
    await page.keyboard.press('/');
    assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('aria-label')), 'Search in text');
    await page.keyboard.press('Escape');
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keyboard' }).waitFor();
    await page.keyboard.press('Escape');
  });

  test('scrolling loads older events and keeps the page light', async () => {
    await page.goto(`${url}/events?range=all`);
    await rowsShown(page);
    for (let i = 0; i < 6; i++) {
      await grid().evaluate((e) => e.parentElement.scrollTo(0, e.parentElement.scrollHeight));
      await page.waitForTimeout(350);
    }
    assert.ok(Number(await grid().getAttribute('aria-rowcount')) > 300, 'more than three pages are loaded');
    assert.ok((await page.locator('[role="row"]').count()) < 90, 'only what is in sight is in the document');
  });

  test('dragging over the histogram zooms', async () => {
    await page.goto(`${url}/events?range=all`);
    await rowsShown(page);
    const chart = await page.getByRole('slider', { name: /Events over time/ }).boundingBox();
    await page.mouse.move(chart.x + chart.width * 0.4, chart.y + 30);
    await page.mouse.down();
    await page.mouse.move(chart.x + chart.width * 0.6, chart.y + 30, { steps: 6 });
    await page.mouse.up();
    await page.waitForURL((u) => u.searchParams.has('from') && u.searchParams.has('to'));
    await rowsShown(page);
  });

  test('an event verifies in the browser, with WebCrypto and without', async () => {
    await page.goto(`${url}/events?range=all`);
    await rowsShown(page);
    const seq = (await page.locator('[role="row"][aria-rowindex="6"]').getAttribute('id')).replace('event-', '');
    await page.goto(`${url}/events/${seq}`);
    await page.getByRole('tab', { name: 'Proof' }).click();
    await page.getByText('Verified in this browser').waitFor();
    await page.getByText('Computed by WebCrypto').waitFor();
    await page.addInitScript(() => Object.defineProperty(globalThis.crypto, 'subtle', { value: undefined }));
    await page.reload();
    await page.getByRole('tab', { name: 'Proof' }).click();
    await page.getByText('Verified in this browser').waitFor();
    await page.getByText('Computed by JavaScript').waitFor();
  });

  test('an answer that was tampered with does not verify', async () => {
    const other = await open();
    try {
      await other.page.route(/\/api\/events\/\d+$/, async (route) => {
        const response = await route.fetch();
        const event = await response.json();
        await route.fulfill({ response, json: { ...event, action: 'invoice.forged' } });
      });
      await other.page.goto(`${url}/events/5`);
      await other.page.getByRole('tab', { name: 'Proof' }).click();
      await other.page.getByText('This event does not verify').waitFor();
      await other.page.getByText('another value than the proven one at /action').waitFor();
    } finally {
      await other.close();
    }
  });

  test('a saved view comes back', async () => {
    const name = `e2e ${Date.now()}`;
    await page.goto(`${url}/events?range=30d&action=session.*`);
    await rowsShown(page);
    await page.getByRole('button', { name: 'Saved views' }).click();
    await page.getByLabel('Keep this view as').fill(name);
    await page.getByRole('button', { name: 'Save', exact: true }).click();
    await page.getByRole('button', { name, exact: true }).waitFor();
    await page.goto(`${url}/events`);
    await rowsShown(page);
    await page.getByRole('button', { name: 'Saved views' }).click();
    await page.getByRole('button', { name, exact: true }).click();
    await page.waitForURL((u) => u.searchParams.get('action') === 'session.*' && u.searchParams.get('range') === '30d');
    await page.getByRole('button', { name: 'Saved views' }).click();
    await page.getByRole('button', { name: `Delete view ${name}` }).click();
    await page.getByRole('button', { name, exact: true }).waitFor({ state: 'detached' });
  });

  test('new events appear by themselves', async () => {
    await page.goto(`${url}/events`);
    await rowsShown(page);
    await page.waitForTimeout(600);
    const before = await firstRow().getAttribute('id');
    // Signing in elsewhere is an event.
    const other = await open();
    await other.close();
    await page.waitForFunction((old) => document.querySelector('[role="row"][aria-rowindex="2"]')?.id !== old, before, { timeout: 8000 });
  });

  test('an export runs to its end and downloads', async () => {
    await page.goto(`${url}/events?range=30d`);
    await rowsShown(page);
    await page.getByRole('button', { name: 'Export', exact: true }).click();
    const dialog = page.getByRole('dialog', { name: 'Export events' });
    await dialog.getByLabel('Title (optional)').fill('End to end');
    await dialog.getByRole('button', { name: 'Start export' }).click();
    await page.waitForURL(/\/exports/);
    const link = page.getByRole('listitem').filter({ hasText: 'End to end' }).first().getByRole('link', { name: 'Download' });
    await link.waitFor({ timeout: 30000 });
    const [download] = await Promise.all([page.waitForEvent('download'), link.click()]);
    assert.match(download.suggestedFilename(), /\.csv$/);
  });

  test('the job of an export is shown, and a dead letter is replayed', async () => {
    await page.goto(`${url}/jobs`);
    const done = page.getByRole('list', { name: 'Jobs' }).getByRole('listitem').first();
    await done.getByText('Export', { exact: true }).waitFor();
    await done.getByText('done', { exact: true }).waitFor();
    await page.getByLabel('State').selectOption('dead');
    await page.waitForURL(/\/jobs\?state=dead$/);
    await page.getByText('No such jobs').waitFor();
    const other = await open();
    try {
      let replayed = 0;
      const job = { id: 7, kind: 'export.write', queue: 'exports', state: 'dead', args: { export: 'x' }, attempt: 5, max_attempts: 5, done: 0, rate: 0,
        errors: [{ attempt: 5, at: '2026-01-01T00:00:00Z', message: 'The disk is full.' }], created_at: '2026-01-01T00:00:00Z', due_at: '2026-01-01T00:00:00Z' };
      await other.page.route(/\/api\/jobs\?/, (route) => route.fulfill({ json: { items: [{ ...job, ...(replayed ? { state: 'running', done: 1, total: 4 } : {}) }] } }));
      await other.page.route(/\/api\/jobs\/7\/retry/, (route) => {
        replayed++;
        return route.fulfill({ json: { ...job, state: 'queued' } });
      });
      await other.page.goto(`${url}/jobs`);
      await other.page.getByText('The disk is full.').waitFor();
      await other.page.getByRole('button', { name: 'Replay job 7' }).focus();
      await other.page.keyboard.press('Enter');
      await other.page.getByRole('progressbar', { name: 'Progress of job 7' }).waitFor();
      assert.equal(replayed, 1);
      assert.deepEqual(other.problems, []);
    } finally {
      await other.close();
    }
  });

  test('an API key is made, shown once and revoked', async () => {
    const name = `e2e ${Date.now()}`;
    await page.goto(`${url}/settings?tab=keys`);
    await page.getByRole('button', { name: 'New key' }).click();
    await page.getByRole('dialog').getByLabel('Name').fill(name);
    await page.getByRole('button', { name: 'Make key' }).click();
    const secret = await page.getByTestId('secret').textContent();
    assert.match(secret.trim(), /^pk_/);
    await page.getByRole('button', { name: 'I have kept it' }).click();
    await page.getByRole('button', { name: `Revoke ${name}` }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
    await page.getByRole('listitem').filter({ hasText: name }).getByText('revoked', { exact: true }).waitFor();
  });

  test('an auditor sees masked values, and the proof still holds', async () => {
    const mail = `e2e-${Date.now()}@example.com`;
    await page.goto(`${url}/settings?tab=users`);
    await page.getByRole('button', { name: 'New user' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name').fill('E2E Auditor');
    await dialog.getByLabel('E-mail').fill(mail);
    await dialog.getByLabel('First password', { exact: true }).fill('correct horse battery');
    await dialog.getByRole('button', { name: 'Create user' }).click();
    await page.getByText(mail).waitFor();
    const other = await open({ signedIn: false });
    try {
      await signIn(other.page, mail, 'correct horse battery');
      assert.equal(await other.page.getByRole('link', { name: 'Settings' }).count(), 0);
      await other.page.goto(`${url}/events?range=all&action=*.update`);
      await rowsShown(other.page);
      await other.page.locator('[role="row"][aria-rowindex="3"]').click();
      await other.page.getByText('masked', { exact: true }).first().waitFor();
      await other.page.getByRole('tab', { name: 'Proof' }).click();
      await other.page.getByText('Verified in this browser').waitFor();
      await other.page.getByText(/^Not opened to you/).waitFor();
      assert.deepEqual([...new Set(other.problems)], []);
    } finally {
      await other.close();
    }
  });

  test('on a phone events are cards, and one opens over the page', async () => {
    const phone = await open({ width: 390, height: 844 });
    try {
      await phone.page.goto(`${url}/events?range=all`);
      await rowsShown(phone.page);
      assert.equal(await phone.page.getByRole('grid').count(), 0);
      await phone.page.getByRole('list', { name: 'Events' }).getByRole('button').nth(1).click();
      await phone.page.getByRole('dialog', { name: /^Event \d+/ }).getByRole('tab', { name: 'Proof' }).waitFor();
      await phone.page.getByRole('button', { name: 'Close the event' }).click();
      await phone.page.getByRole('button', { name: 'Open navigation' }).click();
      await phone.page.getByRole('dialog').getByRole('link', { name: 'Log integrity' }).click();
      await phone.page.waitForURL(/\/log$/);
      await phone.page.getByRole('heading', { name: 'Log integrity' }).waitFor();
    } finally {
      await phone.close();
    }
  });

  test('searching in text says what it found', async () => {
    await page.goto(`${url}/events?range=all`);
    await rowsShown(page);
    await page.getByLabel('Search in text').fill('no such words anywhere 7391');
    await page.getByText('No events here').waitFor();
    await page.getByText('0 events').waitFor();
    await page.getByRole('button', { name: 'Clear all filters' }).click();
    await rowsShown(page);
    assert.equal(await page.getByLabel('Search in text').inputValue(), '');
  });

  test('the log verifies', async () => {
    await page.goto(`${url}/log`);
    await page.getByText('Checked in this browser').waitFor();
    await page.getByRole('button', { name: 'Verify now' }).click();
    await page.getByText('Everything verifies').waitFor({ timeout: 60000 });
    await page.goto(`${url}/jobs`);
    const job = page.getByRole('list', { name: 'Jobs' }).getByRole('listitem').filter({ hasText: 'Verification of the log' }).first();
    await job.getByText('done', { exact: true }).waitFor();
    await job.getByText('Everything verifies').waitFor();
    await job.getByRole('link', { name: 'Log integrity' }).click();
    await page.getByText('Checked in this browser').waitFor();
    // Signing in elsewhere makes the log grow; this browser then checks that it only grew.
    const other = await open();
    await other.close();
    await page.waitForTimeout(1200);
    await page.reload();
    await page.getByText('It extends the head of').waitFor();
  });

  test('a log that dropped events since the last visit is found out', async () => {
    const seen = await page.evaluate(() => Object.keys(localStorage).find((k) => k.startsWith('probity.head ')));
    await page.evaluate((k) => {
      const head = JSON.parse(localStorage.getItem(k));
      localStorage.setItem(k, JSON.stringify({ ...head, size: String(Number(head.size) + 1000000) }));
    }, seen);
    await page.goto(`${url}/log`);
    await page.getByText('The log’s head does not check out').waitFor();
    await page.evaluate((k) => localStorage.removeItem(k), seen);
  });

  test('the first load stays under 300 kB of JavaScript', async () => {
    const other = await open({ signedIn: false });
    try {
      const sizes = [];
      other.page.on('response', async (r) => {
        if (/\.js$/.test(new URL(r.url()).pathname)) sizes.push(r.request().sizes().then((s) => s.responseBodySize));
      });
      await signIn(other.page);
      await rowsShown(other.page);
      const total = (await Promise.all(sizes)).reduce((n, s) => n + s, 0);
      console.log(`# first load: ${sizes.length} scripts, ${(total / 1000).toFixed(1)} kB gzipped`);
      assert.ok(total > 50e3 && total < 300e3, `${total} bytes`);
    } finally {
      await other.close();
    }
  });

  test('no page had a script error or was refused content', () => {
    assert.deepEqual([...new Set(b.problems)], []);
  });
});
