// Schedules and download links in the console: set up, run, share, take as a stranger, revoke.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { open, skip, url } from './browser.mjs';

const shots = process.env.PROBITY_SHOTS;

describe('schedules and links', { skip }, () => {
  let b;
  let page;
  let address;
  const name = `nightly ${Date.now()}`;
  const shot = async (p, what) => shots && p.screenshot({ path: `${shots}/${what}.png` });
  const row = () => page.getByRole('list', { name: 'Schedules' }).getByRole('listitem', { name });
  before(async () => {
    b = await open();
    page = b.page;
  });
  after(async () => {
    assert.deepEqual(b?.problems ?? [], []);
    await b?.close();
  });

  test('a schedule is set up with a preview of its times', async () => {
    await page.goto(`${url}/schedules`);
    await page.getByRole('button', { name: 'New schedule' }).first().click();
    const dialog = page.getByRole('dialog', { name: 'New schedule' });
    await dialog.getByRole('button', { name: 'Set up' }).click();
    await dialog.getByText('Give it a name').waitFor();
    await dialog.getByLabel('Name').fill(name);
    await dialog.getByLabel('Repeats').selectOption('cron');
    await dialog.getByLabel('Cron line').fill('* * * * *');
    await dialog.getByText('more often than every 5 minutes').waitFor();
    await dialog.getByLabel('Cron line').fill('30 6 * * 1-5');
    await dialog.getByLabel('Time zone').fill('Asia/Kolkata');
    await dialog.getByText(/^Next, by your clock: .+ · .+ · /).waitFor();
    await dialog.getByLabel('Actions').fill('auth.*');
    await dialog.getByLabel('Actions').press('Enter');
    await dialog.getByLabel('Name').click();
    await shot(page, 'schedule-dialog');
    await dialog.getByRole('button', { name: 'Set up' }).click();
    await row().getByText('30 6 * * 1-5 (Asia/Kolkata)').waitFor();
    await row().getByText(/next /).waitFor();
  });

  test('it is changed, paused and resumed', async () => {
    await row().getByRole('button', { name: /^Change/ }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('auth.*').waitFor();
    await dialog.getByLabel('Repeats').selectOption('day');
    await dialog.getByLabel('Period').selectOption('all');
    await dialog.getByRole('button', { name: 'Save' }).click();
    await row().getByText('Every day at 06:00 (Asia/Kolkata)').waitFor();
    await row().getByRole('button', { name: /^Pause/ }).click();
    await row().getByText('paused', { exact: true }).waitFor();
    assert.equal(await row().getByText(/next /).count(), 0);
    await row().getByRole('button', { name: /^Resume/ }).click();
    await row().getByText(/next /).waitFor();
  });

  test('it is run now, and its history leads to the export', async () => {
    await row().getByRole('button', { name: /^Run now/ }).click();
    await row().getByRole('button', { name: /^History/ }).click();
    const dialog = page.getByRole('dialog', { name: /^History of/ });
    await dialog.getByText('started', { exact: true }).waitFor({ timeout: 20000 });
    await dialog.getByText('run by hand').waitFor();
    await shot(page, 'schedule-history');
    await dialog.getByRole('link', { name: 'Its export' }).click();
    await page.waitForURL(/\/exports/);
    await page.getByRole('listitem').filter({ hasText: name }).getByRole('link', { name: 'Download' }).waitFor({ timeout: 30000 });
  });

  test('its file is shared with a stranger, who takes it by a click', async () => {
    await page.getByRole('listitem').filter({ hasText: name }).getByRole('button', { name: 'Share…' }).click();
    const dialog = page.getByRole('dialog', { name: 'Share this file' });
    await dialog.getByRole('button', { name: 'Make a link' }).click();
    address = (await dialog.getByTestId('download-link').textContent()).trim();
    assert.match(address, /\/download#v1\.[0-9a-f-]{36}\.\d+\.[\w-]{43}$/);
    await dialog.getByText(/0 downloads/).waitFor();
    await shot(page, 'share-dialog');
    for (const [scheme, width] of [['light', 1440], ['dark', 390]]) {
      const stranger = await open({ signedIn: false, scheme, width, height: 844 });
      const sent = [];
      stranger.page.on('request', (r) => sent.push(r.url()));
      await stranger.page.goto(address);
      const button = stranger.page.getByRole('button', { name: 'Download' });
      await button.waitFor();
      await shot(stranger.page, `download-${scheme}-${width}`);
      const [download] = await Promise.all([stranger.page.waitForEvent('download'), button.click()]);
      assert.match(download.suggestedFilename(), /\.csv$/);
      assert.ok(sent.every((u) => !u.includes('v1.')), 'the token stands in no address that is sent');
      assert.deepEqual(stranger.problems, []);
      await stranger.close();
    }
    // A person who is signed in takes it as well; the form goes without the session's token.
    await page.goto('about:blank');
    await page.goto(address);
    const [own] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Download' }).click()]);
    assert.match(own.suggestedFilename(), /\.csv$/);
  });

  test('the link is revoked, and says so to whoever has it', async () => {
    await page.goto(`${url}/exports`);
    await page.getByRole('listitem').filter({ hasText: name }).getByRole('button', { name: 'Share…' }).click();
    const dialog = page.getByRole('dialog', { name: 'Share this file' });
    await dialog.getByText(/3 downloads/).waitFor();
    await dialog.getByRole('button', { name: 'Revoke' }).click();
    await dialog.getByText('revoked', { exact: true }).waitFor();
    const stranger = await open({ signedIn: false });
    await stranger.page.goto(address);
    await stranger.page.getByText('This link does not work').waitFor();
    await shot(stranger.page, 'download-revoked');
    assert.equal(await stranger.page.getByRole('button', { name: 'Download' }).count(), 0);
    await stranger.close();
  });

  test('each download is an event', async () => {
    await page.goto(`${url}/events?range=1h&action=export.download`);
    await page.locator('[role="grid"] [role="row"][aria-rowindex="4"]').waitFor({ timeout: 15000 });
  });

  test('the schedule is deleted', async () => {
    await page.goto(`${url}/schedules`);
    await row().getByRole('button', { name: /^Delete/ }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete', exact: true }).click();
    await row().waitFor({ state: 'detached' });
  });
});
